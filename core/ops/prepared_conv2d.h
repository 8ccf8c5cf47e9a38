// A convolution for inference: its weights are kept as the engines read them.
#pragma once

#include <string_view>
#include <vector>

#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "core/ops/conv2d_passes.h"

namespace resgrad {

/// A convolution and its bias.
struct Conv2dWeights {
  Tensor weight, bias;  // the bias may be undefined
};

/// The convolution whose result is that of conv2d(x, w) normalised: weight * scale and
/// (bias - mean) * scale + shift per output channel, computed in double. float32.
Conv2dWeights fold_batch_norm(const Conv2dWeights& w, const BatchNormFactors& factors);

/// conv2d() of one weight, many times and without gradients: y = conv2d(x) + residual, with a ReLU
/// behind it on demand, in one pass where the engine can. The weight is transformed or packed at
/// the first call that needs it so, once for each engine that is chosen for a size of x, and kept.
/// The same bits as conv2d() for the same engine; the sum is rounded in the order conv, bias,
/// residual.
class PreparedConv2d {
 public:
  /// float32. Weight and bias are not copied, and must not change any more.
  PreparedConv2d(const Conv2dWeights& weights, const Conv2dOptions& options);

  /// operand.x [n, c_in, h, w] in either format, perhaps normalised while it is loaded; `residual`
  /// has the shape of the result or is undefined. Returns the format of operand.x.
  /// Throws  what conv2d() throws; ShapeError for another shape of the residual.
  Tensor operator()(const Conv2dOperand& operand, const Tensor& residual, bool relu);

  /// Of the weights as the engines read them.
  std::size_t bytes() const;

 private:
  struct Form {
    std::string_view engine;
    kernels::Isa isa;
    Storage weights;
  };
  const std::byte* form(std::string_view engine, const kernels::Conv2dInferencePlan& plan);

  Conv2dWeights weights_;
  Conv2dOptions options_;
  std::vector<std::unique_ptr<const Form>> forms_;
};

}  // namespace resgrad
