#include "core/ops/batch_norm.h"

#include "core/ops/batch_norm_passes.h"

namespace resgrad {
namespace {

constexpr const char* kOp = "batch_norm";
constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

struct BatchNormNode final : Node {
  BatchNormNode(const Tensor& x, const BatchNormFactors& f, bool training)
      : norm_(x, f, training) {}
  const char* name() const override { return kOp; }
  std::vector<SavedTensor*> saved() override { return norm_.tensors(); }

  std::vector<Tensor> backward(const Tensor& dy) override {
    const BatchNormGradients g = batch_norm_gradients({.dy = dy.detach(kChannelsLast),
                                                       .x = norm_.x.get(*this),
                                                       .factors = norm_.factors(*this),
                                                       .training = norm_.training,
                                                       .wants_dx = needs_grad(0)});
    return {g.dx, g.dweight, g.dbias};
  }

  SavedBatchNorm norm_;
};

}  // namespace

Tensor batch_norm(const Tensor& x_any, const Tensor& weight, const Tensor& bias,
                  Tensor& running_mean, Tensor& running_var, const BatchNormOptions& options) {
  check_batch_norm(kOp, x_any, weight, bias, running_mean, running_var, options);
  const Tensor x = x_any.detach(kChannelsLast);
  const BatchNormFactors f =
      batch_norm_factors(x, weight, bias, running_mean, running_var, options);
  const Tensor y = batch_norm_apply(x, f, {}, false);
  return record<BatchNormNode>(y.detach(x_any.memory_format()),
                               {{"x", x_any}, {"weight", weight}, {"bias", bias}}, x, f,
                               options.training);
}

}  // namespace resgrad
