// The steps of a batch norm that the operations which contain one share: checks, statistics and
// gradients. Activations are in channels_last here.
#pragma once

#include <string_view>

#include "core/autograd/node.h"
#include "core/kernels/normalisation.h"
#include "core/ops/batch_norm_options.h"
#include "core/tensor.h"

namespace resgrad {

/// The values of one channel.
inline std::int64_t rows_of(const Tensor& x) {
  return x.dim(0) * x.dim(2) * x.dim(3);
}

/// Throws  what batch_norm() documents, in the name of `op`.
void check_batch_norm(std::string_view op, const Tensor& x, const Tensor& weight,
                      const Tensor& bias, const Tensor& running_mean, const Tensor& running_var,
                      const BatchNormOptions& options);

/// What normalising makes of x, per channel [C]: (x - mean) * scale + shift, where scale = weight *
/// inv_std, shift = bias and inv_std = 1 / sqrt(var + eps).
struct BatchNormFactors {
  Tensor mean, inv_std, scale, shift;
  double count = 0;  ///< values per channel that mean and inv_std are of; in training

  template <class T>
  kernels::Normalisation<T> normalisation() const {
    return {mean.data<T>(), scale.data<T>(), shift.data<T>()};
  }
};

/// From the statistics of x, by which the running ones are updated, or in evaluation from those.
BatchNormFactors batch_norm_factors(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                    Tensor& running_mean, Tensor& running_var,
                                    const BatchNormOptions& options);

/// x normalised; with a residual (which may be undefined) + residual; with `relu` max(that, 0).
Tensor batch_norm_apply(const Tensor& x, const BatchNormFactors& factors, const Tensor& residual,
                        bool relu);

/// What a batch norm keeps for backward.
struct SavedBatchNorm {
  SavedBatchNorm(const Tensor& activation, const BatchNormFactors& f, bool in_training)
      : x(activation),
        mean(f.mean),
        inv_std(f.inv_std),
        scale(f.scale),
        shift(f.shift),
        count(f.count),
        training(in_training) {}
  std::vector<SavedTensor*> tensors() { return {&x, &mean, &inv_std, &scale, &shift}; }
  BatchNormFactors factors(const Node& node) const {
    return {mean.get(node), inv_std.get(node), scale.get(node), shift.get(node), count};
  }

  SavedTensor x, mean, inv_std, scale, shift;
  double count;
  bool training;
};

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
  BatchNormFactors factors;
  bool training = false;
  bool wants_dx = false;
  ReluBehind relu = ReluBehind::none;
  Tensor y = {};  // with ReluBehind::output_kept
  bool wants_masked_dy = false;
  bool overwrites_dy = false;  // dx takes the memory of dy
};

BatchNormGradients batch_norm_gradients(const BatchNormBackward& b);

}  // namespace resgrad
