// A block of memory shared by tensors, with the version that guards saved tensors.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/allocator.h"

namespace resgrad {

/// Owns `bytes` of uninitialised, 64-byte aligned memory from the caching allocator.
class Storage {
 public:
  explicit Storage(std::size_t bytes) : data_(allocate(bytes)), bytes_(bytes) {}
  ~Storage() { deallocate(data_, bytes_); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  std::size_t bytes() const { return bytes_; }

  /// Counts the changes in place; autograd compares it with the value at the time of saving.
  std::uint64_t version = 0;

 private:
  void* data_;
  std::size_t bytes_;
};

}  // namespace resgrad
