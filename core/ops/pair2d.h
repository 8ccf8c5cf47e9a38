#pragma once

#include <cstdint>

namespace resgrad {

/// A size per spatial axis; from one number it is the same for both.
struct Pair2d {
  std::int64_t h, w;
  constexpr Pair2d(std::int64_t both) : h(both), w(both) {}  // NOLINT: implicit on purpose
  constexpr Pair2d(std::int64_t height, std::int64_t width) : h(height), w(width) {}
  bool operator==(const Pair2d&) const = default;
};

}  // namespace resgrad
