// Batch normalisation kernels on x [rows, channels]: channels_last activations with
// rows = N * H * W, alone or in one pass with the ReLU and the residual addition that follow. Sums
// are gathered per block of rows, the number of blocks being fixed, and added in double in the
// order of the blocks: results do not depend on the number of threads.
#pragma once

#include <cstdint>

#include "core/kernels/normalisation.h"

namespace resgrad::kernels {

/// Doubles of scratch that `moments` and `backward_reduce` need.
constexpr std::int64_t kBatchNormBlocks = 32;
constexpr std::int64_t batch_norm_scratch(std::int64_t channels) {
  return 2 * kBatchNormBlocks * channels;
}

/// Where a ReLU behind the normalisation let x through: everywhere; where its output y > 0; or, if
/// that was not kept, where x normalised is > 0, with the bits that forward compared.
template <class T>
struct ReluMask {
  const T* y = nullptr;
  Normalisation<T> norm = {};
};

template <class T>
struct BatchNormKernels {
  /// mean[c] = average over rows of x, var[c] = average of (x - mean)^2 (biased).
  void (*moments)(T* mean, T* var, const T* x, std::int64_t rows, std::int64_t channels,
                  double* scratch);
  /// y = x normalised; with a residual (not null) + residual; with `relu` max(that, 0).
  void (*apply)(T* y, const T* x, const Normalisation<T>& norm, const T* residual, bool relu,
                std::int64_t rows, std::int64_t channels);
  /// y = max(x normalised, 0) for one pixel, in the calling thread.
  void (*norm_relu)(T* y, const T* x, const Normalisation<T>& norm, std::int64_t channels);
  /// sum_dy[c] = sum over rows of g; sum_dy_xhat[c] = sum of g * (x - mean[c]) * inv_std[c], where
  /// g = dy where the mask lets through, else 0. Stores g unless it is null.
  void (*backward_reduce)(T* sum_dy, T* sum_dy_xhat, T* g, const T* dy, const ReluMask<T>& mask,
                          const T* x, const T* mean, const T* inv_std, std::int64_t rows,
                          std::int64_t channels, double* scratch);
  /// dx = a[c] * g + b[c] * (x - mean[c]) + k[c] with g as above. dx may be dy.
  void (*backward_input)(T* dx, const T* dy, const ReluMask<T>& mask, const T* x, const T* mean,
                         const T* a, const T* b, const T* k, std::int64_t rows,
                         std::int64_t channels);
  /// sum[c] = sum over rows of x.
  void (*channel_sum)(T* sum, const T* x, std::int64_t rows, std::int64_t channels,
                      double* scratch);
  /// y[r, c] += bias[c].
  void (*add_bias)(T* y, const T* bias, std::int64_t rows, std::int64_t channels);
};

template <class T>
const BatchNormKernels<T>& batch_norm();

}  // namespace resgrad::kernels
