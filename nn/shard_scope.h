// Which part of an update the calls of modules belong to.
#pragma once

#include <cstdint>

#include "core/scoped_value.h"

namespace resgrad {

/// While it is alive, the calls of modules in this thread work on this shard of an update, one of
/// several parts that are computed apart and added up. Layers that draw random numbers draw others
/// for each. Without one it is shard 0.
class ShardScope {
 public:
  explicit ShardScope(std::uint32_t shard);
  static std::uint32_t current();

 private:
  ScopedValue<std::uint32_t> current_;
};

}  // namespace resgrad
