#pragma once

#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"

namespace resgrad {

/// conv2d(batch_norm_relu(x, ...), ...) in which the convolution normalises its input while it
/// loads it: the activation in between is neither written nor kept, and backward computes it again
/// in the same way. Equal to the operations one by one up to rounding.
/// Shapes  x [n, c_in, h, w]; norm_weight, norm_bias, running_mean, running_var [c_in]; the others
///         as conv2d; returns [n, c_out, h_out, w_out] in the memory format of x.
/// Grad    dx, dnorm_weight, dnorm_bias, dconv_weight, dconv_bias, with the ReLU's mask from
///         (x - mean) * scale + shift > 0, the bits of forward.  Saves x, conv_weight, and per
///         channel what batch_norm saves.
/// Throws  what batch_norm and conv2d throw, in their names; nothing is changed then.
Tensor batch_norm_relu_conv2d(const Tensor& x, const Tensor& norm_weight, const Tensor& norm_bias,
                              Tensor& running_mean, Tensor& running_var, const Tensor& conv_weight,
                              const Tensor& conv_bias, const BatchNormOptions& norm_options = {},
                              const Conv2dOptions& conv_options = {});

}  // namespace resgrad
