// Sgd: stochastic gradient descent with momentum. Built on the one-pass kernel of
// core/kernels/sgd.h.
#pragma once

#include <vector>

#include "train/optim/optimizer.h"

namespace resgrad {

struct SgdOptions {
  double lr = 0.1;
  double momentum = 0;      ///< share of the velocity that is kept, at least 0
  double dampening = 0;     ///< share of the gradient that does not enter the velocity
  double weight_decay = 0;  ///< gradient of weight_decay / 2 * w^2, at least 0
  bool nesterov = false;
};

/// Updates parameters in place from their gradients:
///   g = dw + weight_decay * w
///   v = g on the first step of this parameter, else momentum * v + (1 - dampening) * g
///   w = w - lr * lr_scale * (nesterov ? g + momentum * v : v)
/// Without momentum v = g always and dampening has no effect. The velocity excludes the learning
/// rate, so a change of the rate acts at once. The state is the velocities under the names of their
/// parameters; there is none without momentum.
/// Source  Sutskever et al. 2013, "On the importance of initialization and momentum"; conventions
///         of torch.optim.SGD 1.13.
class Sgd final : public Optimizer {
 public:
  /// Throws  ValueError for options out of range, Nesterov without momentum or with dampening, and
  ///         as Optimizer for groups.
  explicit Sgd(const std::vector<ParameterGroup>& groups, SgdOptions options = {});
  /// All parameters in one group.
  explicit Sgd(const std::vector<NamedTensor>& parameters, SgdOptions options = {});

  /// Throws  ValueError unless momentum is finite and at least 0, or when it would become 0 or
  ///         cease to be 0: an optimiser has velocities from the start or never.
  void set_momentum(double momentum) override;

 private:
  void update(Slot& slot, const Tensor& dw, bool first) const override;

  SgdOptions options_;
};

}  // namespace resgrad
