#include "core/ops/batch_norm.h"

#include "core/autograd/node.h"
#include "core/kernels/batch_norm.h"
#include "core/ops/batch_norm_passes.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

/// What follows the normalisation in the same pass.
enum class Then { nothing, relu, add_relu };

constexpr const char* op_name(Then then) {
  switch (then) {
    case Then::nothing:
      return "batch_norm";
    case Then::relu:
      return "batch_norm_relu";
    case Then::add_relu:
      return "batch_norm_add_relu";
  }
  return "?";
}

struct BatchNormNode final : Node {
  BatchNormNode(Then then, const Tensor& x, const Tensor& y, const BatchNormFactors& f,
                bool training)
      : then_(then),
        x_(x),
        mean_(f.mean),
        inv_std_(f.inv_std),
        scale_(f.scale),
        shift_(f.shift),
        training_(training) {
    if (then != Then::nothing) y_ = y;
  }
  const char* name() const override { return op_name(then_); }
  std::vector<SavedTensor*> saved() override {
    return {&x_, &y_, &mean_, &inv_std_, &scale_, &shift_};
  }

  std::vector<Tensor> backward(const Tensor& dy) override {
    const bool shared = then_ == Then::add_relu && needs_grad(3);
    const BatchNormGradients g = batch_norm_gradients(
        {.dy = dy.detach(kChannelsLast),
         .x = x_.get(*this),
         .y = y_.get(*this),
         .factors = {mean_.get(*this), inv_std_.get(*this), scale_.get(*this), shift_.get(*this)},
         .relu = then_ == Then::nothing ? ReluBehind::none : ReluBehind::output_kept,
         .training = training_,
         .wants_dx = needs_grad(0),
         .wants_masked_dy = shared,
         .overwrites_dy = false});
    std::vector<Tensor> gradients{g.dx, g.dweight, g.dbias};
    // the residual gets what the ReLU lets through as it is
    if (then_ == Then::add_relu) gradients.push_back(g.masked_dy);
    return gradients;
  }

  Then then_;
  SavedTensor x_, y_;  // in channels_last; y as the mask of the ReLU, undefined without one
  SavedTensor mean_, inv_std_, scale_, shift_;
  bool training_;
};

Tensor normalise(Then then, const Tensor& x_any, const Tensor& residual_any, const Tensor& weight,
                 const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                 const BatchNormOptions& options) {
  const char* const op = op_name(then);
  check_batch_norm(op, x_any, weight, bias, running_mean, running_var, options);
  if (then == Then::add_relu) {
    require_shape(op, "residual", residual_any, x_any.shape());
    require_dtype(op, "residual", residual_any, x_any.dtype());
  }
  const Tensor x = x_any.detach(kChannelsLast);
  const Tensor residual = then == Then::add_relu ? residual_any.detach(kChannelsLast) : Tensor();
  const BatchNormFactors factors =
      batch_norm_factors(x, weight, bias, running_mean, running_var, options);
  Tensor y = Tensor::empty_like(x);
  visit_floating(x.dtype(), op, [&](auto tag) {
    using T = decltype(tag);
    kernels::batch_norm<T>().apply(y.data<T>(), x.data<T>(), factors.normalisation<T>(),
                                   residual.defined() ? residual.data<T>() : nullptr,
                                   then != Then::nothing, rows_of(x), x.dim(1));
  });
  std::vector<Input> inputs{{"x", x_any}, {"weight", weight}, {"bias", bias}};
  if (then == Then::add_relu) inputs.push_back({"residual", residual_any});
  return record<BatchNormNode>(y.detach(x_any.memory_format()), inputs, then, x, y, factors,
                               options.training);
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& running_mean,
                  Tensor& running_var, const BatchNormOptions& options) {
  return normalise(Then::nothing, x, {}, weight, bias, running_mean, running_var, options);
}

Tensor batch_norm_relu(const Tensor& x, const Tensor& weight, const Tensor& bias,
                       Tensor& running_mean, Tensor& running_var, const BatchNormOptions& options) {
  return normalise(Then::relu, x, {}, weight, bias, running_mean, running_var, options);
}

Tensor batch_norm_add_relu(const Tensor& x, const Tensor& residual, const Tensor& weight,
                           const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                           const BatchNormOptions& options) {
  return normalise(Then::add_relu, x, residual, weight, bias, running_mean, running_var, options);
}

}  // namespace resgrad
