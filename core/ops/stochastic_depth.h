#pragma once

#include "core/random.h"
#include "core/tensor.h"

namespace resgrad {

/// Sets each sample, a row of the first axis, to 0 with probability p and scales the others by
/// 1 / (1 - p), so that the expected value is kept:
///   y[i] = x[i] * mask[i], mask[i] in {0, 1 / (1 - p)}
/// Shapes  x [n, ...] of any rank but 0.
/// Grad    dx[i] = dy[i] * mask[i].  Saves the mask.
/// Throws  ValueError unless 0 <= p < 1 and x has a floating dtype, ShapeError for rank 0.
/// Source  Huang et al. 2016, arXiv:1603.09382, as torchvision's stochastic_depth in mode "row" and
///         timm's DropPath.
/// Differs  Huang et al. scale in evaluation; this, as torchvision and timm, in training.
Tensor stochastic_depth(const Tensor& x, double p, Random& random);

}  // namespace resgrad
