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

/// What the engines read of an operand.
template <class T>
kernels::Conv2dInput<T> conv2d_input(const Conv2dOperand& operand) {
  if (!operand.norm.scale.defined()) return {operand.x.data<T>()};
  return {operand.x.data<T>(), operand.norm.normalisation<T>()};
}

/// Tells the observer of this thread, if there is one, that a pass is done.
void report_conv2d(std::string_view op, const kernels::Conv2dDims& d, kernels::Conv2dPass pass,
                   std::string_view engine, std::size_t element_bytes);

}  // namespace resgrad
