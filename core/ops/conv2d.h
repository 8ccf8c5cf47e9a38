#pragma once

#include "core/ops/conv2d_options.h"
#include "core/tensor.h"

namespace resgrad {

/// 2-D convolution (cross-correlation), optionally grouped:
///   y[n, o, i, j] = bias[o] + sum over c, p, q of
///                   weight[o, c, p, q] * x[n, g C + c, i s - pad + p d, j s - pad + q d]
/// where g = o / (c_out / groups) is the group of o and C = c_in / groups.
/// Shapes  x [n, c_in, h, w]; weight [c_out, c_in / groups, k_h, k_w]; bias [c_out] or undefined;
///         returns [n, c_out, h_out, w_out], h_out = floor((h + 2 pad - d (k_h - 1) - 1) / s) + 1.
///         Keeps the memory format of x; channels_last is computed without reordering.
/// Grad    dx, dweight, dbias.  Saves x and weight.
/// Throws  ShapeError when shapes do not fit,
///         ValueError for a stride, dilation or groups below 1, a negative padding, or dtypes that
///         differ.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});
inline Tensor conv2d(const Tensor& x, const Tensor& weight, const Conv2dOptions& options) {
  return conv2d(x, weight, {}, options);
}

}  // namespace resgrad
