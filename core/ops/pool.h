// Pooling over windows of the last two axes.
#pragma once

#include <optional>

#include "core/ops/pair2d.h"
#include "core/tensor.h"

namespace resgrad {

struct Pool2dOptions {
  Pair2d kernel = 2;
  std::optional<Pair2d> stride = {};  ///< default: the kernel
  Pair2d padding = 0;                 ///< at most half the kernel
};

/// Maximum of each window; padding never wins.
/// Shapes  x [n, c, h, w]; returns [n, c, h_out, w_out], h_out = floor((h + 2 pad - k) / s) + 1, in
///         the memory format of x.
/// Grad    dy to the first maximum of each window.  Saves the positions of the maxima.
/// Throws  ShapeError unless x has rank 4 and a window fits; ValueError for int64, options out of
///         range, and windows of 2^31 places and more.
Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options);

/// Average of each window, padding counted as zeros (PyTorch's count_include_pad).
/// Shapes  as max_pool2d.  Saves nothing.
/// Throws  as max_pool2d.
Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options);

/// Average over all positions: [n, c, h, w] to [n, c, 1, 1].
/// Throws  ShapeError unless x has rank 4; ValueError for int64 or an image without pixels.
Tensor global_avg_pool2d(const Tensor& x);

}  // namespace resgrad
