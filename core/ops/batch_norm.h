#pragma once

#include "core/ops/batch_norm_options.h"
#include "core/tensor.h"

namespace resgrad {

/// Batch normalisation over (N, H, W), one mean and variance per channel:
///   y = weight * (x - mean) / sqrt(var + eps) + bias
/// Training: mean and the biased variance of the batch; the running statistics become
/// (1 - momentum) * old + momentum * batch, with the unbiased variance. Evaluation: the running
/// statistics, which count as constants.
/// Shapes  x [N, C, H, W]; weight, bias, running_mean, running_var [C]; returns [N, C, H, W] in the
///         memory format of x.
/// Grad    dx, dweight, dbias.  Saves x, and per channel the mean, 1 / sqrt(var + eps), and the
///         factors scale and shift by which y = (x - mean) * scale + shift.
/// Throws  ShapeError when shapes do not fit or N * H * W < 2 in training; ValueError for dtypes
///         that differ or options out of range.
/// Source  Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1.
/// Differs  none.
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& running_mean,
                  Tensor& running_var, const BatchNormOptions& options = {});

}  // namespace resgrad
