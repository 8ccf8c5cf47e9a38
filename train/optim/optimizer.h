// Optimizer: what all optimisers share. They hold parameters by name in groups, and for each the
// tensors of their state, which checkpoints keep; train/optim/sgd.h and train/optim/adamw.h say how
// a parameter changes. The learning rate is set from outside; see train/optim/schedule.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/module.h"

namespace resgrad {

/// Parameters that are updated alike.
struct ParameterGroup {
  std::vector<NamedTensor> parameters = {};
  double lr_scale = 1;                      ///< the group's learning rate is lr * lr_scale
  std::optional<double> weight_decay = {};  ///< instead of the optimiser's own
};

/// Two groups at most: parameters of rank 2 and more as they are, those of rank 0 and 1 (weights of
/// norms, biases) without weight decay. Empty groups are left out; the order is kept in each.
std::vector<ParameterGroup> split_no_decay(const std::vector<NamedTensor>& parameters);

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update of all parameters in place, from their gradients, which are not changed. A
  /// parameter without a gradient is left alone, its state too. Allocates only when a parameter
  /// gets its first gradient.
  /// Throws  StateError when dtype, shape or format of a parameter changed since its first step.
  void step();
  void zero_grad();

  /// Throws  ValueError unless lr is finite and at least 0.
  void set_lr(double lr);
  double lr() const { return lr_; }
  /// The share of the running mean of the gradients that is kept at a step: SGD's momentum, Adam's
  /// beta1.
  /// Throws  ValueError for what the optimiser cannot take.
  virtual void set_momentum(double momentum) = 0;

  /// The state of the parameters that were updated, each tensor as the parameter's name and a
  /// suffix. The tensors are the optimiser's own, not copies.
  std::vector<NamedTensor> state() const;
  /// Copies a state(). A parameter that is not in it starts anew.
  /// Throws  ValueError that lists what is unknown, given twice or missing, and tensors of another
  ///         shape or dtype; nothing is changed then.
  void load_state(const std::vector<NamedTensor>& state);

 protected:
  /// One tensor of the state of each parameter.
  struct StateTensor {
    std::string_view suffix;  ///< of its name in state(), after the parameter's
    bool counter = false;     ///< an int64 of rank 0; else dtype, shape and format of the parameter
  };

  struct Slot {
    std::string name;
    Tensor parameter;
    double lr_scale, weight_decay;
    std::vector<Tensor> state;  ///< in the order of the layout; empty before the first step
  };

  /// `name` begins the messages.
  /// Throws  ValueError for lr or a weight decay out of range, no or an empty group, and a
  ///         parameter that is undefined, not floating, not a leaf, or given twice (the same tensor
  ///         or the same name).
  Optimizer(std::string_view name, std::vector<StateTensor> layout,
            const std::vector<ParameterGroup>& groups, double lr, double weight_decay);

  /// Changes the parameter by `dw`, which lies in memory as it does, and the state, which is zero
  /// at the first step.
  virtual void update(Slot& slot, const Tensor& dw, bool first) const = 0;

  /// Throws  ValueError unless the value is finite and at least 0.
  static void require_non_negative(std::string_view name, std::string_view what, double value);

 private:
  Tensor new_state(const StateTensor& kind, const Tensor& parameter) const;
  void check_unchanged(const Slot& slot) const;

  std::string_view name_;
  std::vector<StateTensor> layout_;
  double lr_;
  std::vector<Slot> slots_;
};

}  // namespace resgrad
