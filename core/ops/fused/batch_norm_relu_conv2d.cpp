#include "core/ops/fused/batch_norm_relu_conv2d.h"

#include "core/autograd/observer.h"
#include "core/ops/batch_norm_passes.h"
#include "core/ops/conv2d_passes.h"

namespace resgrad {
namespace {

constexpr const char* kOp = "batch_norm_relu_conv2d";
constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

struct BatchNormReluConv2dNode final : Node {
  BatchNormReluConv2dNode(const Tensor& x, const Tensor& weight, const BatchNormFactors& f,
                          bool training, const kernels::Conv2dDims& d)
      : norm_(x, f, training), weight_(weight), dims_(d) {}
  const char* name() const override { return kOp; }
  bool reports_itself() const override { return true; }
  std::vector<SavedTensor*> saved() override {
    std::vector<SavedTensor*> all = norm_.tensors();
    all.push_back(&weight_);
    return all;
  }

  std::vector<Tensor> backward(const Tensor& dy_any) override {
    const Tensor x = norm_.x.get(*this), dy = dy_any.detach(kChannelsLast);
    const BatchNormFactors f = norm_.factors(*this);
    BatchNormGradients norm;
    Tensor dw, db;
    if (needs_grad(3)) dw = conv2d_backward_weight(kOp, dy, {x, f}, dims_);
    if (needs_grad(4)) db = conv2d_backward_bias(dy, dims_);
    if (needs_grad(0) || needs_grad(1) || needs_grad(2)) {
      norm = batch_norm_gradients({.dy = conv2d_backward_input(kOp, dy, weight_.get(*this), dims_),
                                   .x = x,
                                   .factors = f,
                                   .training = norm_.training,
                                   .wants_dx = needs_grad(0),
                                   .relu = ReluBehind::output_redone,
                                   .overwrites_dy = true});  // which nobody else has
      report({.name = "batch_norm_relu", .phase = "backward", .bytes = 5 * bytes_of(x)});
    }
    return {norm.dx, norm.dweight, norm.dbias, dw, db};
  }

  SavedBatchNorm norm_;
  SavedTensor weight_;
  kernels::Conv2dDims dims_;
};

}  // namespace

Tensor batch_norm_relu_conv2d(const Tensor& x_any, const Tensor& norm_weight,
                              const Tensor& norm_bias, Tensor& running_mean, Tensor& running_var,
                              const Tensor& conv_weight, const Tensor& conv_bias,
                              const BatchNormOptions& norm_options,
                              const Conv2dOptions& conv_options) {
  check_batch_norm("batch_norm", x_any, norm_weight, norm_bias, running_mean, running_var,
                   norm_options);
  check_conv2d(x_any, conv_weight, conv_bias, conv_options);
  const kernels::Conv2dDims d = conv2d_dims(x_any, conv_weight, conv_options);
  const Tensor x = x_any.detach(kChannelsLast);
  const Tensor w = conv_weight.detach(MemoryFormat::contiguous);
  const BatchNormFactors f =
      batch_norm_factors(x, norm_weight, norm_bias, running_mean, running_var, norm_options);
  if (norm_options.training) {
    report({.name = "batch_norm statistics", .phase = "forward", .bytes = bytes_of(x)});
  }
  const Tensor y = conv2d_forward(kOp, {x, f}, w, conv_bias, d);
  return record<BatchNormReluConv2dNode>(y.detach(x_any.memory_format()),
                                         {{"x", x_any},
                                          {"norm_weight", norm_weight},
                                          {"norm_bias", norm_bias},
                                          {"conv_weight", conv_weight},
                                          {"conv_bias", conv_bias}},
                                         x, w, f, norm_options.training, d);
}

}  // namespace resgrad
