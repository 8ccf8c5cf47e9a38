// Shapes, strides and memory formats. A tensor is always dense; its strides follow from its
// shape and its memory format, so there are no others to handle.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace resgrad {

using Shape = std::vector<std::int64_t>;

/// How the elements lie in memory. The logical order of a 4-D tensor is [N, C, H, W] in both.
enum class MemoryFormat {
  contiguous,    ///< row-major: the last axis is contiguous
  channels_last  ///< 4-D only: stored as [N, H, W, C], the channels are contiguous
};

constexpr std::string_view name(MemoryFormat format) {
  return format == MemoryFormat::contiguous ? "contiguous" : "channels_last";
}

/// Product of the sizes; 1 for rank 0.
/// Throws  ShapeError in the name of `op` for a negative size, or when the strides of elements of 8
///         bytes would not fit in 64 bits.
std::int64_t numel(const Shape& shape, std::string_view op = "tensor");

/// Elements to step over per axis, in elements.
std::vector<std::int64_t> strides_of(const Shape& shape, MemoryFormat format);

/// Maps a possibly negative axis to [0, rank); throws ShapeError when it is outside [-rank, rank).
std::int64_t normalise_axis(std::string_view op, std::int64_t axis, std::int64_t rank);

/// Shape of an elementwise operation on `a` and `b` (NumPy's broadcasting rules); throws
/// ShapeError when they do not fit.
Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b);

}  // namespace resgrad
