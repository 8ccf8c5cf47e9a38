#include "train/sgd.h"

#include <cmath>
#include <map>
#include <set>

#include "core/autograd/grad_mode.h"
#include "core/autograd/observer.h"
#include "core/kernels/sgd.h"

namespace resgrad {
namespace {

void require_non_negative(std::string_view what, double value) {
  require<ValueError>(std::isfinite(value) && value >= 0,
                      "sgd: {}: expected a finite number of at least 0, got {}", what, value);
}

void check_options(const SgdOptions& o) {
  require_non_negative("lr", o.lr);
  require_non_negative("momentum", o.momentum);
  require_non_negative("dampening", o.dampening);
  require_non_negative("weight_decay", o.weight_decay);
  require<ValueError>(!o.nesterov || (o.momentum > 0 && o.dampening == 0),
                      "sgd: nesterov: expected momentum above 0 and dampening 0, got momentum {} "
                      "and dampening {}",
                      o.momentum, o.dampening);
}

void check_parameter(const NamedTensor& p) {
  require<ValueError>(p.tensor.defined(), "sgd: {}: expected a tensor, got an undefined one",
                      p.name);
  require<ValueError>(is_floating(p.tensor.dtype()), "sgd: {}: expected float32 or float64, got {}",
                      p.name, name(p.tensor.dtype()));
  require<ValueError>(p.tensor.is_leaf(),
                      "sgd: {}: expected a leaf, got the result of an operation", p.name);
}

std::string problem_with(const NamedTensor& velocity, const Tensor* parameter, bool twice) {
  if (parameter == nullptr) return fmt::format("{} is not a parameter", velocity.name);
  if (twice) return fmt::format("{} is given twice", velocity.name);
  if (!velocity.tensor.defined()) return fmt::format("{} is undefined", velocity.name);
  if (velocity.tensor.shape() == parameter->shape() &&
      velocity.tensor.dtype() == parameter->dtype()) {
    return "";
  }
  return fmt::format("{} is {} {} for a parameter of {} {}", velocity.name,
                     name(velocity.tensor.dtype()), velocity.tensor.shape(),
                     name(parameter->dtype()), parameter->shape());
}

}  // namespace

std::vector<ParameterGroup> split_no_decay(const std::vector<NamedTensor>& parameters) {
  ParameterGroup decayed, plain;
  plain.weight_decay = 0;
  for (const NamedTensor& p : parameters) {
    (p.tensor.rank() <= 1 ? plain : decayed).parameters.push_back(p);
  }
  std::vector<ParameterGroup> groups;
  for (ParameterGroup* group : {&decayed, &plain}) {
    if (!group->parameters.empty()) groups.push_back(std::move(*group));
  }
  return groups;
}

Sgd::Sgd(std::vector<ParameterGroup> groups, SgdOptions options) : options_(options) {
  check_options(options_);
  require<ValueError>(!groups.empty(), "sgd: expected at least one parameter group, got none");
  std::set<std::string> names;
  std::set<const TensorImpl*> tensors;
  for (const ParameterGroup& group : groups) {
    require<ValueError>(!group.parameters.empty(),
                        "sgd: expected parameters in each group, got an "
                        "empty group");
    require_non_negative("lr_scale", group.lr_scale);
    const double weight_decay = group.weight_decay.value_or(options_.weight_decay);
    require_non_negative("weight_decay", weight_decay);
    for (const NamedTensor& p : group.parameters) {
      check_parameter(p);
      require<ValueError>(
          names.insert(p.name).second && tensors.insert(p.tensor.impl().get()).second,
          "sgd: {}: expected each parameter once, got it twice", p.name);
      slots_.push_back({p.name, p.tensor, group.lr_scale, weight_decay, Tensor()});
    }
  }
}

Sgd::Sgd(std::vector<NamedTensor> parameters, SgdOptions options)
    : Sgd(std::vector<ParameterGroup>{{.parameters = std::move(parameters)}}, options) {}

void Sgd::step() {
  NoGradGuard no_grad;
  double bytes = 0;
  for (Slot& slot : slots_) {
    const Tensor grad = slot.parameter.grad();
    if (!grad.defined()) continue;
    update(slot, grad);
    // the gradient is read, parameter and velocity are read and written
    bytes += bytes_of(grad) + 2 * (bytes_of(slot.parameter) + bytes_of(slot.velocity));
  }
  report({.name = "sgd", .phase = "update", .bytes = bytes});
}

void Sgd::update(Slot& slot, const Tensor& grad) const {
  Tensor& w = slot.parameter;
  Tensor& v = slot.velocity;
  const bool first = !v.defined();
  require<StateError>(
      first || (v.shape() == w.shape() && v.dtype() == w.dtype() &&
                v.memory_format() == w.memory_format()),
      "sgd: {}: expected the shape, dtype and format of its first step, got {} {} {}", slot.name,
      w.shape(), name(w.dtype()), name(w.memory_format()));
  // the kernel walks memory, so all three must lie alike
  const Tensor dw = grad.reordered(w.memory_format());
  visit_floating(w.dtype(), "sgd", [&](auto tag) {
    using T = decltype(tag);
    const T* const gradient = dw.data<T>();
    const bool has_velocity = options_.momentum != 0;
    if (has_velocity && first) v = Tensor::empty_like(w);
    w.bump_version();
    kernels::sgd<T>().step(w.data<T>(), has_velocity ? v.data<T>() : nullptr, gradient, w.numel(),
                           {.lr = options_.lr * slot.lr_scale,
                            .momentum = options_.momentum,
                            .dampening = options_.dampening,
                            .weight_decay = slot.weight_decay,
                            .nesterov = options_.nesterov,
                            .first = first});
    if (has_velocity) v.bump_version();
  });
}

void Sgd::zero_grad() {
  for (Slot& slot : slots_) slot.parameter.zero_grad();
}

void Sgd::set_lr(double lr) {
  require_non_negative("lr", lr);
  options_.lr = lr;
}

void Sgd::set_momentum(double momentum) {
  require_non_negative("momentum", momentum);
  require<ValueError>((momentum == 0) == (options_.momentum == 0),
                      "sgd: momentum: expected {} as at construction, got {}",
                      options_.momentum == 0 ? "0" : "a number above 0", momentum);
  options_.momentum = momentum;
}

std::vector<NamedTensor> Sgd::state() const {
  std::vector<NamedTensor> state;
  for (const Slot& slot : slots_) {
    if (slot.velocity.defined()) state.push_back({slot.name, slot.velocity});
  }
  return state;
}

void Sgd::load_state(const std::vector<NamedTensor>& state) {
  require<ValueError>(state.empty() || options_.momentum != 0,
                      "sgd: state: expected no velocities with momentum 0, got {}", state.size());
  std::map<std::string_view, const Slot*> by_name;
  for (const Slot& slot : slots_) by_name[slot.name] = &slot;
  std::map<std::string_view, Tensor> loaded;
  std::vector<std::string> problems;
  for (const NamedTensor& velocity : state) {
    const auto found = by_name.find(velocity.name);
    const Tensor* parameter = found == by_name.end() ? nullptr : &found->second->parameter;
    std::string problem = problem_with(velocity, parameter, loaded.contains(velocity.name));
    if (!problem.empty()) {
      problems.push_back(std::move(problem));
    } else {
      Tensor copy = Tensor::empty_like(*parameter);
      copy.copy_(velocity.tensor);
      loaded[velocity.name] = copy;
    }
  }
  require<ValueError>(problems.empty(),
                      "sgd: state: expected velocities that fit the parameters, got: {}",
                      fmt::join(problems, "; "));
  for (Slot& slot : slots_) {
    const auto found = loaded.find(slot.name);
    slot.velocity = found == loaded.end() ? Tensor() : found->second;
  }
}

}  // namespace resgrad
