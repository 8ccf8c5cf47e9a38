// Reductions over axes: sum, mean, max.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace resgrad {

struct ReduceOptions {
  std::vector<std::int64_t> axes = {};  ///< negative axes count from the end; empty: all axes
  bool keep_dims = false;               ///< keep the reduced axes with size 1
};

/// Sum over axes, formed in double. The result is contiguous.
/// Grad    dx = dy, broadcast.  Saves nothing.
/// Throws  ShapeError for an axis that is out of range or named twice; ValueError for int64.
Tensor sum(const Tensor& x, const ReduceOptions& options = {});

/// Arithmetic mean over axes: sum / number of elements reduced.
/// Throws  as sum, and ShapeError for an empty reduction.
Tensor mean(const Tensor& x, const ReduceOptions& options = {});

/// Maximum over axes.
/// Grad    dy, shared equally among the elements that equal the maximum (as PyTorch's amax).
///         Saves x and the result.
/// Throws  as mean.
Tensor max(const Tensor& x, const ReduceOptions& options = {});

}  // namespace resgrad
