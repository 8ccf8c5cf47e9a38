#include "core/ops/batch_norm_passes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/autograd/grad_mode.h"
#include "core/kernels/batch_norm.h"
#include "core/ops/batch_norm_sync.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

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

// Makes mean and variance of a part of a batch those of the whole. Returns its values per channel.
template <class T>
double join_moments(T* mean, T* var, std::int64_t rows, std::int64_t channels) {
  BatchNormSync* const sync = BatchNormSync::current();
  if (sync == nullptr) return static_cast<double>(rows);
  const auto n = static_cast<std::size_t>(channels);
  const auto own = static_cast<double>(rows);
  std::vector<double> sums(2 * n + 1);
  sums[2 * n] = own;
  for (std::size_t c = 0; c < n; ++c) {
    const double m = mean[c];
    sums[c] = own * m;
    sums[n + c] = own * (var[c] + m * m);
  }
  sync->sum(sums);
  const double count = sums[2 * n];
  for (std::size_t c = 0; c < n; ++c) {
    const double m = sums[c] / count;
    mean[c] = static_cast<T>(m);
    const double v = sums[n + c] / count - m * m;
    var[c] = static_cast<T>(v > 0 || v != v ? v : 0);  // NaN stays, as in a batch by itself
  }
  return count;
}

// The sums of dy and dy * xhat over the whole batch, in the order of their memory.
template <class T>
std::vector<T> join_sums(const T* sum_dy, const T* sum_dy_xhat, std::int64_t channels) {
  std::vector<double> sums(sum_dy, sum_dy + channels);
  sums.insert(sums.end(), sum_dy_xhat, sum_dy_xhat + channels);
  if (BatchNormSync* const sync = BatchNormSync::current()) sync->sum(sums);
  return {sums.begin(), sums.end()};
}

}  // namespace

void check_batch_norm(std::string_view op, const Tensor& x, const Tensor& weight,
                      const Tensor& bias, const Tensor& running_mean, const Tensor& running_var,
                      const BatchNormOptions& options) {
  require_rank(op, "x", x, 4);
  require_floating(op, "x", x);
  const std::int64_t channels = x.dim(1);
  for (const auto& [argument, tensor] :
       {Input{"weight", weight}, Input{"bias", bias}, Input{"running_mean", running_mean},
        Input{"running_var", running_var}}) {
    require_shape(op, argument, tensor, {channels});
    require_dtype(op, argument, tensor, x.dtype());
  }
  require<ValueError>(options.momentum >= 0 && options.momentum <= 1 && options.eps >= 0,
                      "{}: options: expected momentum in [0, 1] and eps >= 0, got {} and {}", op,
                      options.momentum, options.eps);
  require<ShapeError>(!options.training || rows_of(x) >= 2,
                      "{}: x: expected more than one value per channel in training, got {}", op,
                      x.shape());
}

BatchNormFactors batch_norm_factors(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                    Tensor& running_mean, Tensor& running_var,
                                    const BatchNormOptions& options) {
  const std::int64_t channels = x.dim(1), rows = rows_of(x);
  BatchNormFactors factors;
  for (Tensor* t : {&factors.mean, &factors.inv_std, &factors.scale, &factors.shift}) {
    *t = Tensor::empty({channels}, x.dtype());
  }
  visit_floating(x.dtype(), "batch_norm", [&]<class T>() {
    T* m = factors.mean.data<T>();
    T* s = factors.inv_std.data<T>();
    if (options.training) {
      const Storage scratch = scratch_for(channels);
      kernels::batch_norm<T>().moments(m, s, x.data<T>(), rows, channels, doubles(scratch));
      factors.count = join_moments(m, s, rows, channels);
      const NoGradGuard no_grad;
      running_mean.bump_version();
      running_var.bump_version();
      const T fresh = static_cast<T>(options.momentum), old = T{1} - fresh;
      const T unbias = static_cast<T>(factors.count / (factors.count - 1));
      for_each_channel(channels, [&](std::int64_t c) {
        T& mean_c = running_mean.data<T>()[c];
        T& var_c = running_var.data<T>()[c];
        mean_c = old * mean_c + fresh * m[c];
        var_c = old * var_c + fresh * unbias * s[c];
      });
    } else {
      factors.mean.copy_(running_mean);
      factors.inv_std.copy_(running_var);
    }
    for_each_channel(channels, [&](std::int64_t c) {
      s[c] = T{1} / std::sqrt(s[c] + static_cast<T>(options.eps));
      factors.scale.data<T>()[c] = weight.data<T>()[c] * s[c];
      factors.shift.data<T>()[c] = bias.data<T>()[c];
    });
  });
  return factors;
}

Tensor batch_norm_apply(const Tensor& x, const BatchNormFactors& factors, const Tensor& residual,
                        bool relu) {
  Tensor y = Tensor::empty_like(x);
  visit_floating(x.dtype(), "batch_norm", [&]<class T>() {
    kernels::batch_norm<T>().apply(y.data<T>(), x.data<T>(), factors.normalisation<T>(),
                                   residual.defined() ? residual.data<T>() : nullptr, relu,
                                   rows_of(x), x.dim(1));
  });
  return y;
}

// With m = N * H * W and xhat = (x - mean) * inv_std:
//   training: dx = weight * inv_std * (dy - sum(dy) / m - xhat * sum(dy * xhat) / m)
//   evaluation: dx = weight * inv_std * dy
// both of which are a * dy + b * (x - mean) + k with factors per channel. With a ReLU behind, dy
// stands for the gradient that it lets through. With a BatchNormSync, m and the sums are those of
// the whole batch.
BatchNormGradients batch_norm_gradients(const BatchNormBackward& b) {
  const Tensor &x = b.x, &dy = b.dy;
  const std::int64_t channels = x.dim(1), rows = rows_of(x);
  BatchNormGradients result;
  result.dweight = Tensor::empty({channels}, x.dtype());
  result.dbias = Tensor::empty({channels}, x.dtype());
  if (b.wants_masked_dy) result.masked_dy = Tensor::empty_like(x);
  visit_floating(x.dtype(), "batch_norm", [&]<class T>() {
    const auto& kernel = kernels::batch_norm<T>();
    const kernels::Normalisation<T> norm = b.factors.normalisation<T>();
    const T* inv_std = b.factors.inv_std.data<T>();
    const kernels::ReluMask<T> mask =
        b.relu == ReluBehind::output_kept     ? kernels::ReluMask<T>{.y = b.y.data<T>()}
        : b.relu == ReluBehind::output_redone ? kernels::ReluMask<T>{.norm = norm}
                                              : kernels::ReluMask<T>{};
    T* sum_dy = result.dbias.data<T>();
    T* sum_dy_xhat = result.dweight.data<T>();
    T* masked_dy = b.wants_masked_dy ? result.masked_dy.data<T>() : nullptr;
    const Storage scratch = scratch_for(channels);
    kernel.backward_reduce(sum_dy, sum_dy_xhat, masked_dy, dy.data<T>(), mask, x.data<T>(),
                           norm.mean, inv_std, rows, channels, doubles(scratch));
    if (!b.wants_dx) return;
    result.dx = b.overwrites_dy ? dy : Tensor::empty_like(x);
    Tensor factors = Tensor::zeros({2, channels}, x.dtype());
    const T* a = norm.scale;
    T* b_x = factors.data<T>();
    T* k = b_x + channels;
    if (b.training) {
      const std::vector<T> sums = join_sums(sum_dy, sum_dy_xhat, channels);
      const T count = static_cast<T>(b.factors.count);
      for_each_channel(channels, [&](std::int64_t c) {
        const T* const sum = sums.data() + c;
        b_x[c] = -a[c] * inv_std[c] * sum[channels] / count;
        k[c] = -a[c] * sum[0] / count;
      });
    }
    if (masked_dy != nullptr) {
      kernel.backward_input(result.dx.data<T>(), masked_dy, {}, x.data<T>(), norm.mean, a, b_x, k,
                            rows, channels);
    } else {
      kernel.backward_input(result.dx.data<T>(), dy.data<T>(), mask, x.data<T>(), norm.mean, a, b_x,
                            k, rows, channels);
    }
  });
  return result;
}

}  // namespace resgrad
