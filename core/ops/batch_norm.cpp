#include "core/ops/batch_norm.h"

#include <cmath>

#include "core/autograd/grad_mode.h"
#include "core/autograd/node.h"
#include "core/kernels/batch_norm.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

// Calls f(channel) for each channel. Per-channel arithmetic is tiny beside the passes over x.
template <class F>
void for_each_channel(std::int64_t channels, F&& f) {
  for (std::int64_t c = 0; c < channels; ++c) f(c);
}

Storage scratch_for(std::int64_t channels) {
  return Storage(static_cast<std::size_t>(kernels::batch_norm_scratch(channels)) * sizeof(double));
}

double* doubles(const Storage& storage) {
  return reinterpret_cast<double*>(storage.data());
}

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
  BatchNormNode(Then then, const Tensor& x, const Tensor& y, const Tensor& weight,
                const Tensor& mean, const Tensor& inv_std, bool training)
      : then_(then), x_(x), weight_(weight), mean_(mean), inv_std_(inv_std), training_(training) {
    if (then != Then::nothing) y_ = y;
  }
  const char* name() const override { return op_name(then_); }
  std::vector<SavedTensor*> saved() override { return {&x_, &y_, &weight_, &mean_, &inv_std_}; }

  // With m = N * H * W and xhat = (x - mean) * inv_std:
  //   training: dx = weight * inv_std * (dy - sum(dy) / m - xhat * sum(dy * xhat) / m)
  //   evaluation: dx = weight * inv_std * dy
  // both of which are a * dy + b * x + k with factors per channel. With a ReLU behind, dy stands
  // for the gradient that it lets through (the mask is y > 0), which a residual gets as it is.
  std::vector<Tensor> backward(const Tensor& dy_any) override {
    const Tensor x = x_.get(*this), y = y_.get(*this), weight = weight_.get(*this),
                 mean = mean_.get(*this), inv_std = inv_std_.get(*this),
                 dy = dy_any.reordered(kChannelsLast);
    const std::int64_t channels = x.dim(1), rows = x.numel() / channels;
    const bool masked = y.defined(), shared = then_ == Then::add_relu && needs_grad(3);
    Tensor dx, dresidual, dweight = Tensor::empty_like(weight), dbias = Tensor::empty_like(weight);
    visit_floating(x.dtype(), "batch_norm", [&](auto tag) {
      using T = decltype(tag);
      const auto& kernel = kernels::batch_norm<T>();
      const T* m = mean.data<T>();
      const T* s = inv_std.data<T>();
      T* sum_dy = dbias.data<T>();
      T* sum_dy_xhat = dweight.data<T>();
      const Storage scratch = scratch_for(channels);
      if (shared) dresidual = Tensor::empty_like(x);
      const T* mask = masked ? y.data<T>() : nullptr;
      T* masked_dy = shared ? dresidual.data<T>() : nullptr;
      kernel.backward_reduce(sum_dy, sum_dy_xhat, masked_dy, dy.data<T>(), mask, x.data<T>(), m, s,
                             rows, channels, doubles(scratch));
      if (!needs_grad(0)) return;
      dx = Tensor::empty_like(x);
      Tensor factors = Tensor::zeros({3, channels}, x.dtype());
      T* a = factors.data<T>();
      T* b = a + channels;
      T* k = b + channels;
      for_each_channel(channels, [&](std::int64_t c) {
        a[c] = weight.data<T>()[c] * s[c];
        if (!training_) return;
        const T count = static_cast<T>(rows);
        b[c] = -a[c] * s[c] * sum_dy_xhat[c] / count;
        k[c] = -a[c] * sum_dy[c] / count - b[c] * m[c];
      });
      kernel.backward_input(dx.data<T>(), shared ? masked_dy : dy.data<T>(),
                            shared ? nullptr : mask, x.data<T>(), a, b, k, rows, channels);
    });
    std::vector<Tensor> gradients{dx, dweight, dbias};
    if (then_ == Then::add_relu) gradients.push_back(dresidual);
    return gradients;
  }

  Then then_;
  SavedTensor x_, y_;  // in channels_last; y as the mask of the ReLU, undefined without one
  SavedTensor weight_, mean_, inv_std_;
  bool training_;
};

Tensor normalise(Then then, const Tensor& x_any, const Tensor& residual_any, const Tensor& weight,
                 const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                 const BatchNormOptions& options) {
  const char* const op = op_name(then);
  require_rank(op, "x", x_any, 4);
  require_floating(op, "x", x_any);
  if (then == Then::add_relu) {
    require_shape(op, "residual", residual_any, x_any.shape());
    require_dtype(op, "residual", residual_any, x_any.dtype());
  }
  const std::int64_t channels = x_any.dim(1);
  for (const auto& [argument, tensor] :
       {Input{"weight", weight}, Input{"bias", bias}, Input{"running_mean", running_mean},
        Input{"running_var", running_var}}) {
    require_shape(op, argument, tensor, {channels});
    require_dtype(op, argument, tensor, x_any.dtype());
  }
  require<ValueError>(options.momentum >= 0 && options.momentum <= 1 && options.eps >= 0,
                      "{}: options: expected momentum in [0, 1] and eps >= 0, got {} and {}", op,
                      options.momentum, options.eps);
  const std::int64_t rows = channels == 0 ? 0 : x_any.numel() / channels;
  require<ShapeError>(!options.training || rows >= 2,
                      "{}: x: expected more than one value per channel in training, got {}", op,
                      x_any.shape());

  const Tensor x = x_any.reordered(kChannelsLast);
  const Tensor residual = then == Then::add_relu ? residual_any.reordered(kChannelsLast) : Tensor();
  Tensor y = Tensor::empty_like(x);
  Tensor mean = Tensor::empty({channels}, x.dtype()), inv_std = Tensor::empty_like(mean);
  visit_floating(x.dtype(), op, [&](auto tag) {
    using T = decltype(tag);
    const auto& kernel = kernels::batch_norm<T>();
    T* m = mean.data<T>();
    T* s = inv_std.data<T>();
    if (options.training) {
      const Storage scratch = scratch_for(channels);
      kernel.moments(m, s, x.data<T>(), rows, channels, doubles(scratch));
      const NoGradGuard no_grad;
      running_mean.bump_version();
      running_var.bump_version();
      const T fresh = static_cast<T>(options.momentum), old = T{1} - fresh;
      const T unbias = static_cast<T>(static_cast<double>(rows) / static_cast<double>(rows - 1));
      for_each_channel(channels, [&](std::int64_t c) {
        T& mean_c = running_mean.data<T>()[c];
        T& var_c = running_var.data<T>()[c];
        mean_c = old * mean_c + fresh * m[c];
        var_c = old * var_c + fresh * unbias * s[c];
      });
    } else {
      mean.copy_(running_mean);
      inv_std.copy_(running_var);
    }
    Tensor factors = Tensor::empty({2, channels}, x.dtype());
    T* scale = factors.data<T>();
    T* shift = scale + channels;
    for_each_channel(channels, [&](std::int64_t c) {
      s[c] = T{1} / std::sqrt(s[c] + static_cast<T>(options.eps));
      scale[c] = weight.data<T>()[c] * s[c];
      shift[c] = bias.data<T>()[c] - m[c] * scale[c];
    });
    kernel.apply(y.data<T>(), x.data<T>(), scale, shift,
                 residual.defined() ? residual.data<T>() : nullptr, then != Then::nothing, rows,
                 channels);
  });
  std::vector<Input> inputs{{"x", x_any}, {"weight", weight}, {"bias", bias}};
  if (then == Then::add_relu) inputs.push_back({"residual", residual_any});
  return record<BatchNormNode>(y.reordered(x_any.memory_format()), inputs, then, x, y, weight, mean,
                               inv_std, options.training);
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
