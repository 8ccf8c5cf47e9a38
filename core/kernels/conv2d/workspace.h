// Cutting work into pieces, and laying out the buffers of a kernel in one workspace, in floats.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

constexpr std::int64_t kCacheLineFloats = 16;

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

/// Buffers one behind the other, each on a cache line of its own.
class WorkspaceLayout {
 public:
  /// The offset of a new buffer.
  std::int64_t add(std::int64_t floats) {
    const std::int64_t offset = size_;
    size_ += ceil_div(floats, kCacheLineFloats) * kCacheLineFloats;
    return offset;
  }
  std::int64_t size() const { return size_; }

 private:
  std::int64_t size_ = 0;
};

/// A row stride of at least `floats` that is an odd number of cache lines. Rows of a multiple of
/// some large power of two would fall into few sets of the L1 cache.
constexpr std::int64_t padded_row(std::int64_t floats) {
  return (ceil_div(floats, kCacheLineFloats) | 1) * kCacheLineFloats;
}

}  // namespace resgrad::kernels
