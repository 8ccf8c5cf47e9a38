#pragma once

#include "core/ops/pair2d.h"
#include "core/tensor.h"

namespace resgrad {

struct PadShortcutOptions {
  Pair2d stride = 1;
  std::int64_t channels_before = 0, channels_after = 0;  ///< channels of zeros on either side
};

/// The shortcut without parameters between stages: every stride-th pixel, with channels of zeros
/// around it.
///   y[n, channels_before + c, h, w] = x[n, c, h * stride.h, w * stride.w], else 0
/// Shapes  x [n, c, h, w] -> [n, channels_before + c + channels_after, ceil(h / stride.h),
///         ceil(w / stride.w)]
/// Grad    dx = dy where a pixel was taken, else 0.  Saves nothing but shapes.
/// Throws  ShapeError unless x has rank 4, ValueError for int64 or options out of range.
/// Source  He et al. 2015, arXiv:1512.03385, section 3.3, option A. The same as slice() and
///         zero_pad(), in one pass.
Tensor pad_shortcut(const Tensor& x, const PadShortcutOptions& options);

}  // namespace resgrad
