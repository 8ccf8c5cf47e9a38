// The passes of a convolution, for the operations that contain one. Activations are in
// channels_last here, weights contiguous. Each pass is reported to the observer as work of `op`.
#pragma once

#include <string_view>

#include "core/kernels/conv2d.h"
#include "core/ops/batch_norm_passes.h"
#include "core/ops/conv2d_options.h"
#include "core/tensor.h"

namespace resgrad {

/// Throws  what conv2d() documents, in its name.
void check_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const Conv2dOptions& options);

kernels::Conv2dDims conv2d_dims(const Tensor& x, const Tensor& weight,
                                const Conv2dOptions& options);

/// An activation; with factors, what a batch norm and a ReLU make of it as the engines load it.
struct Conv2dOperand {
  Tensor x;
  BatchNormFactors norm = {};
};

/// y = conv(x, weight) + bias; the bias may be undefined.
Tensor conv2d_forward(std::string_view op, const Conv2dOperand& x, const Tensor& weight,
                      const Tensor& bias, const kernels::Conv2dDims& d);
/// The gradient of the input of the convolution.
Tensor conv2d_backward_input(std::string_view op, const Tensor& dy, const Tensor& weight,
                             const kernels::Conv2dDims& d);
Tensor conv2d_backward_weight(std::string_view op, const Tensor& dy, const Conv2dOperand& x,
                              const kernels::Conv2dDims& d);
Tensor conv2d_backward_bias(const Tensor& dy, const kernels::Conv2dDims& d);

}  // namespace resgrad
