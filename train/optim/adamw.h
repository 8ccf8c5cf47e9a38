// AdamW: Adam with decoupled weight decay. Built on the one-pass kernel of core/kernels/adamw.h.
#pragma once

#include <vector>

#include "train/optim/optimizer.h"

namespace resgrad {

struct AdamwOptions {
  double lr = 1e-3;
  double beta1 = 0.9;          ///< share of the mean of the gradients that is kept, in [0, 1)
  double beta2 = 0.999;        ///< that of the mean of their squares, in [0, 1)
  double eps = 1e-8;           ///< above 0, so that a gradient of 0 moves nothing
  double weight_decay = 1e-2;  ///< share of the weights, times lr, that is taken off at each step
};

/// Updates parameters in place from their gradients, with t = 1 at the first step of the parameter
/// and a = lr * lr_scale:
///   m = beta1 * m + (1 - beta1) * dw,   v = beta2 * v + (1 - beta2) * dw^2
///   w = (1 - a * weight_decay) * w - a / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
/// When beta1 changes between steps, as onecycle's momentum does, beta1^t is the power of the
/// present one. The state is m, v and t of each parameter, with the suffixes `.exp_avg`,
/// `.exp_avg_sq` and `.step`.
/// Source  Loshchilov & Hutter 2019, "Decoupled weight decay regularization", arXiv:1711.05101,
///         algorithm 2; conventions of torch.optim.AdamW 1.13 (the decay is multiplied by lr, which
///         the paper's is not; no amsgrad).
class Adamw final : public Optimizer {
 public:
  /// Throws  ValueError for options out of range, and as Optimizer for groups.
  explicit Adamw(const std::vector<ParameterGroup>& groups, AdamwOptions options = {});
  /// All parameters in one group.
  explicit Adamw(const std::vector<NamedTensor>& parameters, AdamwOptions options = {});

  /// Sets beta1.
  /// Throws  ValueError unless it is in [0, 1).
  void set_momentum(double beta1) override;

 private:
  void update(Slot& slot, const Tensor& dw, bool first) const override;

  AdamwOptions options_;
};

}  // namespace resgrad
