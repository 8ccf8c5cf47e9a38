#include "core/ops/fused/batch_norm_relu.h"

#include "core/ops/batch_norm_passes.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;
constexpr std::size_t kResidual = 3;  // its place among the inputs

constexpr const char* op_name(bool adds) {
  return adds ? "batch_norm_add_relu" : "batch_norm_relu";
}

struct BatchNormReluNode final : Node {
  BatchNormReluNode(const Tensor& x, const Tensor& y, const BatchNormFactors& f, bool training,
                    bool adds)
      : norm_(x, f, training), y_(y), adds_(adds) {}
  const char* name() const override { return op_name(adds_); }
  std::vector<SavedTensor*> saved() override {
    std::vector<SavedTensor*> all = norm_.tensors();
    all.push_back(&y_);
    return all;
  }

  std::vector<Tensor> backward(const Tensor& dy) override {
    const BatchNormGradients g =
        batch_norm_gradients({.dy = dy.detach(kChannelsLast),
                              .x = norm_.x.get(*this),
                              .factors = norm_.factors(*this),
                              .training = norm_.training,
                              .wants_dx = needs_grad(0),
                              .relu = ReluBehind::output_kept,
                              .y = y_.get(*this),
                              .wants_masked_dy = adds_ && needs_grad(kResidual)});
    std::vector<Tensor> gradients{g.dx, g.dweight, g.dbias};
    // the residual gets what the ReLU lets through as it is
    if (adds_) gradients.push_back(g.masked_dy);
    return gradients;
  }

  SavedBatchNorm norm_;
  SavedTensor y_;  // in channels_last: the mask of the ReLU
  bool adds_;
};

// An undefined residual: none.
Tensor norm_relu(const Tensor& x_any, const Tensor& residual_any, const Tensor& weight,
                 const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                 const BatchNormOptions& options) {
  const bool adds = residual_any.defined();
  const char* const op = op_name(adds);
  check_batch_norm(op, x_any, weight, bias, running_mean, running_var, options);
  std::vector<Input> inputs{{"x", x_any}, {"weight", weight}, {"bias", bias}};
  Tensor residual;
  if (adds) {
    require_shape(op, "residual", residual_any, x_any.shape());
    require_dtype(op, "residual", residual_any, x_any.dtype());
    inputs.push_back({"residual", residual_any});
    residual = residual_any.detach(kChannelsLast);
  }
  const Tensor x = x_any.detach(kChannelsLast);
  const BatchNormFactors f =
      batch_norm_factors(x, weight, bias, running_mean, running_var, options);
  const Tensor y = batch_norm_apply(x, f, residual, true);
  return record<BatchNormReluNode>(y.detach(x_any.memory_format()), inputs, x, y, f,
                                   options.training, adds);
}

}  // namespace

Tensor batch_norm_relu(const Tensor& x, const Tensor& weight, const Tensor& bias,
                       Tensor& running_mean, Tensor& running_var, const BatchNormOptions& options) {
  return norm_relu(x, {}, weight, bias, running_mean, running_var, options);
}

Tensor batch_norm_add_relu(const Tensor& x, const Tensor& residual, const Tensor& weight,
                           const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                           const BatchNormOptions& options) {
  require<StateError>(residual.defined(),
                      "batch_norm_add_relu: residual: expected a defined tensor, got an undefined "
                      "one");
  return norm_relu(x, residual, weight, bias, running_mean, running_var, options);
}

}  // namespace resgrad
