// Sgd: stochastic gradient descent with momentum. Built on the one-pass kernel of
// core/kernels/sgd.h. The learning rate is set from outside; see train/schedule.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/module.h"

namespace resgrad {

struct SgdOptions {
  double lr = 0.1;
  double momentum = 0;      ///< share of the velocity that is kept, at least 0
  double dampening = 0;     ///< share of the gradient that does not enter the velocity
  double weight_decay = 0;  ///< gradient of weight_decay / 2 * w^2, at least 0
  bool nesterov = false;
};

/// Parameters that are updated alike.
struct ParameterGroup {
  std::vector<NamedTensor> parameters = {};
  double lr_scale = 1;                      ///< the group's learning rate is lr * lr_scale
  std::optional<double> weight_decay = {};  ///< instead of SgdOptions::weight_decay
};

/// Two groups at most: parameters of rank 2 and more as they are, those of rank 0 and 1 (weights of
/// norms, biases) without weight decay. Empty groups are left out; the order is kept in each.
std::vector<ParameterGroup> split_no_decay(const std::vector<NamedTensor>& parameters);

/// Updates parameters in place from their gradients:
///   g = dw + weight_decay * w
///   v = g on the first step of this parameter, else momentum * v + (1 - dampening) * g
///   w = w - lr * lr_scale * (nesterov ? g + momentum * v : v)
/// Without momentum v = g always and dampening has no effect. The velocity excludes the learning
/// rate, so a change of the rate acts at once. Gradients are not changed.
/// Source  Sutskever et al. 2013, "On the importance of initialization and momentum"; conventions
///         of torch.optim.SGD 1.13.
class Sgd {
 public:
  /// Throws  ValueError for options out of range, Nesterov without momentum or with dampening, no
  ///         or an empty group, and a parameter that is undefined, not floating, not a leaf, or
  ///         given twice (the same tensor or the same name).
  explicit Sgd(std::vector<ParameterGroup> groups, SgdOptions options = {});
  /// All parameters in one group.
  explicit Sgd(std::vector<NamedTensor> parameters, SgdOptions options = {});

  /// One update. A parameter without a gradient is left alone, its velocity too. Allocates only
  /// when a parameter gets its first gradient.
  /// Throws  StateError when dtype, shape or format of a parameter changed since its first step.
  void step();
  void zero_grad();

  /// Throws  ValueError unless lr is finite and at least 0.
  void set_lr(double lr);
  double lr() const { return options_.lr; }
  /// Throws  ValueError unless momentum is finite and at least 0, or when it would become 0 or
  /// cease
  ///         to be 0: an optimiser has velocities from the start or never.
  void set_momentum(double momentum);

  /// The velocities under the names of their parameters, those that exist; none without momentum.
  /// The tensors are the optimiser's own, not copies.
  std::vector<NamedTensor> state() const;
  /// Copies velocities. A parameter that is not in `state` starts anew.
  /// Throws  ValueError that lists names that are unknown or given twice, and velocities of another
  ///         shape or dtype, or any velocity without momentum; nothing is changed then.
  void load_state(const std::vector<NamedTensor>& state);

 private:
  struct Slot {
    std::string name;
    Tensor parameter;
    double lr_scale, weight_decay;
    Tensor velocity;  // undefined before the first step
  };

  void update(Slot& slot, const Tensor& grad) const;

  SgdOptions options_;
  std::vector<Slot> slots_;
};

}  // namespace resgrad
