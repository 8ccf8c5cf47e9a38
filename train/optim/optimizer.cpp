#include "train/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/autograd/grad_mode.h"
#include "core/autograd/observer.h"

namespace resgrad {
namespace {

void check_parameter(std::string_view op, const NamedTensor& p) {
  require<ValueError>(p.tensor.defined(), "{}: {}: expected a tensor, got an undefined one", op,
                      p.name);
  require<ValueError>(is_floating(p.tensor.dtype()), "{}: {}: expected float32 or float64, got {}",
                      op, p.name, name(p.tensor.dtype()));
  require<ValueError>(p.tensor.is_leaf(), "{}: {}: expected a leaf, got the result of an operation",
                      op, p.name);
}

// Takes the tensor of this name out of `state`. Says what is wrong with it in `problems`.
Tensor take(std::map<std::string_view, Tensor>& state, const std::string& name, const Tensor& like,
            std::vector<std::string>& problems) {
  const auto found = state.find(name);
  if (found == state.end()) {
    problems.push_back(fmt::format("{} is missing", name));
    return {};
  }
  Tensor t = found->second;
  state.erase(found);
  if (t.shape() == like.shape() && t.dtype() == like.dtype()) return t;
  problems.push_back(fmt::format("{} is {} {} in the place of {} {}", name,
                                 resgrad::name(t.dtype()), t.shape(), resgrad::name(like.dtype()),
                                 like.shape()));
  return {};
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

Optimizer::Optimizer(std::string_view name, std::vector<StateTensor> layout,
                     const std::vector<ParameterGroup>& groups, double lr, double weight_decay)
    : name_(name), layout_(std::move(layout)), lr_(lr) {
  require_non_negative(name_, "lr", lr);
  require_non_negative(name_, "weight_decay", weight_decay);
  require<ValueError>(!groups.empty(), "{}: expected at least one parameter group, got none",
                      name_);
  std::set<std::string> names;
  std::set<const TensorImpl*> tensors;
  for (const ParameterGroup& group : groups) {
    require<ValueError>(!group.parameters.empty(),
                        "{}: expected parameters in each group, got an empty group", name_);
    require_non_negative(name_, "lr_scale", group.lr_scale);
    const double decay = group.weight_decay.value_or(weight_decay);
    require_non_negative(name_, "weight_decay", decay);
    for (const NamedTensor& p : group.parameters) {
      check_parameter(name_, p);
      require<ValueError>(
          names.insert(p.name).second && tensors.insert(p.tensor.impl().get()).second,
          "{}: {}: expected each parameter once, got it twice", name_, p.name);
      slots_.push_back({p.name, p.tensor, group.lr_scale, decay, {}});
    }
  }
}

void Optimizer::require_non_negative(std::string_view name, std::string_view what, double value) {
  require<ValueError>(std::isfinite(value) && value >= 0,
                      "{}: {}: expected a finite number of at least 0, got {}", name, what, value);
}

Tensor Optimizer::new_state(const StateTensor& kind, const Tensor& parameter) const {
  return kind.counter
             ? Tensor::zeros({}, DType::int64)
             : Tensor::zeros(parameter.shape(), parameter.dtype(), parameter.memory_format());
}

void Optimizer::check_unchanged(const Slot& slot) const {
  const Tensor& w = slot.parameter;
  for (std::size_t i = 0; i < slot.state.size(); ++i) {
    const Tensor& s = slot.state[i];
    require<StateError>(
        layout_[i].counter || (s.shape() == w.shape() && s.dtype() == w.dtype() &&
                               s.memory_format() == w.memory_format()),
        "{}: {}: expected the shape, dtype and format of its first step, got {} {} {}", name_,
        slot.name, w.shape(), name(w.dtype()), name(w.memory_format()));
  }
}

void Optimizer::step() {
  const NoGradGuard no_grad;
  double bytes = 0;
  for (Slot& slot : slots_) {
    const Tensor grad = slot.parameter.grad();
    if (!grad.defined()) continue;
    check_unchanged(slot);
    const bool first = slot.state.empty();
    if (first) {
      for (const StateTensor& kind : layout_) {
        slot.state.push_back(new_state(kind, slot.parameter));
      }
    }
    slot.parameter.bump_version();
    for (Tensor& s : slot.state) s.bump_version();
    // kernels walk memory, so the gradient must lie as the parameter does
    update(slot, grad.detach(slot.parameter.memory_format()), first);
    // the gradient is read, parameter and state are read and written
    bytes += bytes_of(grad) + 2 * bytes_of(slot.parameter);
    for (const Tensor& s : slot.state) bytes += 2 * bytes_of(s);
  }
  report({.name = name_, .phase = "update", .bytes = bytes});
}

void Optimizer::zero_grad() {
  for (Slot& slot : slots_) slot.parameter.zero_grad();
}

void Optimizer::set_lr(double lr) {
  require_non_negative(name_, "lr", lr);
  lr_ = lr;
}

std::vector<NamedTensor> Optimizer::state() const {
  std::vector<NamedTensor> state;
  for (const Slot& slot : slots_) {
    for (std::size_t i = 0; i < slot.state.size(); ++i) {
      state.push_back({slot.name + std::string(layout_[i].suffix), slot.state[i]});
    }
  }
  return state;
}

void Optimizer::load_state(const std::vector<NamedTensor>& state) {
  std::map<std::string_view, Tensor> left;
  std::vector<std::string> problems;
  for (const NamedTensor& t : state) {
    if (!t.tensor.defined()) {
      problems.push_back(fmt::format("{} is undefined", t.name));
    } else if (!left.emplace(t.name, t.tensor).second) {
      problems.push_back(fmt::format("{} is given twice", t.name));
    }
  }
  std::vector<std::vector<Tensor>> loaded(slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const bool any = std::ranges::any_of(layout_, [&](const StateTensor& kind) {
      return left.contains(slot.name + std::string(kind.suffix));
    });
    if (!any) continue;
    for (const StateTensor& kind : layout_) {
      Tensor copy = new_state(kind, slot.parameter);
      const Tensor from = take(left, slot.name + std::string(kind.suffix), copy, problems);
      if (from.defined()) copy.copy_(from);
      loaded[i].push_back(copy);
    }
  }
  for (const auto& unknown : left) {
    problems.push_back(fmt::format("{} is not known", unknown.first));
  }
  require<ValueError>(problems.empty(),
                      "{}: state: expected tensors that fit the parameters, got: {}", name_,
                      fmt::join(problems, "; "));
  for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].state = std::move(loaded[i]);
}

}  // namespace resgrad
