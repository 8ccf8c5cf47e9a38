#pragma once

#include "core/ops/batch_norm_options.h"
#include "core/tensor.h"

namespace resgrad {

/// relu(batch_norm(x, ...)) with the normalisation and the ReLU in one pass, and the same bits.
/// Grad    dx, dweight, dbias, with g = dy where y > 0, else 0, in place of dy.  Saves what
///         batch_norm saves, and y, which the next operation mostly saves anyway; the normalised x
///         in between is never stored.
/// Throws  as batch_norm, in its own name.
Tensor batch_norm_relu(const Tensor& x, const Tensor& weight, const Tensor& bias,
                       Tensor& running_mean, Tensor& running_var,
                       const BatchNormOptions& options = {});

/// relu(batch_norm(x, ...) + residual) in one pass over both: the end of a post-activation block.
/// Shapes  residual [N, C, H, W] as x, in any memory format.
/// Grad    dx, dweight, dbias as batch_norm_relu; dresidual = g.  Saves the same.
/// Throws  as batch_norm_relu; also ShapeError or ValueError for a residual of another shape or
///         dtype, StateError for an undefined one.
Tensor batch_norm_add_relu(const Tensor& x, const Tensor& residual, const Tensor& weight,
                           const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                           const BatchNormOptions& options = {});

}  // namespace resgrad
