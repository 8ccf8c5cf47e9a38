// The steps of a batch norm that the operations which contain one share: checks, statistics and
// gradients. Activations are in channels_last here.
#pragma once

#include <string_view>

#include "core/kernels/normalisation.h"
#include "core/ops/batch_norm_options.h"
#include "core/tensor.h"

namespace resgrad {

/// The values of one channel.
inline std::int64_t rows_of(const Tensor& x) {
  return x.dim(0) * x.dim(2) * x.dim(3);
}

/// Throws what batch_norm() documents, in the name of `op`.
void check_batch_norm(std::string_view op, const Tensor& x, const Tensor& weight,
                      const Tensor& bias, const Tensor& running_mean, const Tensor& running_var,
                      const BatchNormOptions& options);

/// What normalising makes of x, per channel [C]: (x - mean) * scale + shift, where scale = weight *
/// inv_std, shift = bias and inv_std = 1 / sqrt(var + eps).
struct BatchNormFactors {
  Tensor mean, inv_std, scale, shift;

  template <class T>
  kernels::Normalisation<T> normalisation() const {
    return {mean.data<T>(), scale.data<T>(), shift.data<T>()};
  }
};

/// From the statistics of x, by which the running ones are updated, or in evaluation from those.
BatchNormFactors batch_norm_factors(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                    Tensor& running_mean, Tensor& running_var,
                                    const BatchNormOptions& options);

/// The ReLU behind a batch norm, for its gradients.
enum class ReluBehind {
  none,
  output_kept,   // the mask is y > 0
  output_redone  // the mask is x normalised > 0
};

struct BatchNormGradients {
  Tensor dx, dweight, dbias;
  Tensor masked_dy;  // what the ReLU lets through, if it was asked for
};

/// What batch_norm_gradients() computes, and from what.
struct BatchNormBackward {
  Tensor dy, x;
  Tensor y;  // with ReluBehind::output_kept
  BatchNormFactors factors;
  ReluBehind relu;
  bool training;
  bool wants_dx;
  bool wants_masked_dy;
  bool overwrites_dy;  // dx takes the memory of dy
};

BatchNormGradients batch_norm_gradients(const BatchNormBackward& b);

}  // namespace resgrad
