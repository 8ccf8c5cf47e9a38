// Operations that move elements: reshape, flatten, permute, transpose, slice, concatenate, zero
// padding, and changes of memory format and dtype.
#pragma once

#include <utility>
#include <vector>

#include "core/tensor.h"

namespace resgrad {

/// The same elements in logical order under another shape; one size may be -1 and is inferred.
/// A contiguous tensor is not copied: the result shares its data.
/// Throws  ShapeError when the number of elements differs or more than one size is -1.
Tensor reshape(const Tensor& x, const Shape& shape);

/// Merges axes start_axis .. end_axis (inclusive) into one. Default: all but the first.
/// Throws  ShapeError for an axis out of range or a start after the end.
Tensor flatten(const Tensor& x, std::int64_t start_axis = 1, std::int64_t end_axis = -1);

/// y's axis i is x's axis order[i]; a contiguous copy.
/// Throws  ShapeError unless `order` is a permutation of the axes.
Tensor permute(const Tensor& x, const std::vector<std::int64_t>& order);

/// Swaps two axes.
/// Throws  ShapeError for an axis out of range.
Tensor transpose(const Tensor& x, std::int64_t axis_a = 0, std::int64_t axis_b = 1);

/// The half-open range [begin, end) of an axis, every step-th element; negative bounds count from
/// the end. Keeps the memory format.
/// Grad    dy in place of the slice, zeros elsewhere.
/// Throws  ShapeError for an empty range or one outside the axis; ValueError for step < 1.
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end,
             std::int64_t step = 1);

/// Joins tensors along an existing axis. All other sizes, dtypes and ranks agree.
/// Keeps the memory format of the first.
/// Throws  ShapeError for no tensors or sizes that differ, ValueError for another dtype.
Tensor concatenate(const std::vector<Tensor>& tensors, std::int64_t axis = 0);

/// Adds (before, after) zeros per axis; axes beyond the list are not padded.
/// Throws  ShapeError when there are more pairs than axes; ValueError for a negative size.
Tensor zero_pad(const Tensor& x, const std::vector<std::pair<std::int64_t, std::int64_t>>& padding);

/// The same values in another memory format; `x` itself when it has it.
/// Throws  ShapeError for channels_last with rank other than 4.
Tensor to_memory_format(const Tensor& x, MemoryFormat format);

/// The values converted to another dtype; `x` itself when it has it. A gradient flows only between
/// floating dtypes.
/// Throws  ValueError for a value that int64 cannot hold.
Tensor to_dtype(const Tensor& x, DType dtype);

}  // namespace resgrad
