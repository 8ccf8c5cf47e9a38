#include "nn/module.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/autograd/grad_mode.h"
#include "core/onnx_graph.h"
#include "core/text.h"

namespace resgrad {
namespace {

thread_local CallObserver* observer = nullptr;

void append(std::vector<NamedTensor>& to, std::vector<NamedTensor> from,
            const std::string& prefix) {
  for (NamedTensor& t : from) to.push_back({prefix + t.name, std::move(t.tensor)});
}

// Without the repetitions of a tensor that is shared, so that no optimiser steps on it twice.
std::vector<NamedTensor> without_repetitions(std::vector<NamedTensor> tensors) {
  std::set<const TensorImpl*> seen;
  std::erase_if(tensors, [&seen](const NamedTensor& t) {
    return !seen.insert(t.tensor.impl().get()).second;
  });
  return tensors;
}

}  // namespace

void copy_state(std::string_view op, const std::vector<NamedTensor>& own,
                const std::vector<NamedTensor>& state) {
  std::map<std::string, Tensor> given;
  for (const NamedTensor& t : state) given[t.name] = t.tensor;
  std::vector<std::string> problems;
  const auto report = [&problems](std::string_view what, const std::string& name) {
    problems.push_back(fmt::format("{}: {}", what, name));
  };
  std::set<std::string> known;
  for (const NamedTensor& t : own) {
    known.insert(t.name);
    const auto found = given.find(t.name);
    if (found == given.end()) {
      report("missing", t.name);
    } else if (const Tensor& value = found->second;
               value.shape() != t.tensor.shape() || value.dtype() != t.tensor.dtype()) {
      report("different",
             fmt::format("{}: expected {} {}, got {} {}", t.name, name(t.tensor.dtype()),
                         t.tensor.shape(), name(value.dtype()), value.shape()));
    }
  }
  for (const auto& [name, tensor] : given) {
    if (!known.contains(name)) report("unexpected", name);
  }
  require<ValueError>(problems.empty(),
                      "{}: expected the tensors of the network, got a state that differs in:\n  {}",
                      op, some_of(problems, "\n  "));
  const NoGradGuard no_grad;
  for (const NamedTensor& t : own) {
    Tensor to = t.tensor;
    to.copy_(given.at(t.name));
  }
}

CallObserver::CallObserver() : current_(observer, this) {}

bool CallObserver::active() {
  return observer != nullptr;
}

std::string Module::add_to_onnx(OnnxGraph&, const std::string& path, const std::string&) const {
  throw ValueError(
      fmt::format("onnx: {}: expected modules that override add_to_onnx(), got {}, which does not",
                  path.empty() ? "network" : path, class_name()));
}

std::string Module::children_to_onnx(OnnxGraph& graph, const std::string& path,
                                     std::string x) const {
  for (const auto& [name, child] : children_) {
    x = child->add_to_onnx(graph, onnx_path(path, name), x);
  }
  return x;
}

Tensor Module::operator()(const Tensor& x) {
  const auto straight = [this](const Tensor& input) { return forward(input); };
  const auto call = [&] { return caller_ != nullptr ? caller_(*this, straight, x) : forward(x); };
  if (observer == nullptr) return call();
  observer->enter(*this, x);
  Tensor y = call();
  observer->leave(*this, y);
  return y;
}

std::vector<NamedTensor> Module::named_parameters() const {
  std::vector<NamedTensor> all = parameters_;
  for (const auto& [name, child] : children_) append(all, child->named_parameters(), name + ".");
  return without_repetitions(std::move(all));
}

std::vector<NamedTensor> Module::named_buffers() const {
  std::vector<NamedTensor> all = buffers_;
  for (const auto& [name, child] : children_) append(all, child->named_buffers(), name + ".");
  return without_repetitions(std::move(all));
}

std::vector<NamedTensor> Module::state_dict() const {
  std::vector<NamedTensor> all = parameters_;
  append(all, buffers_, "");
  for (const auto& [name, child] : children_) append(all, child->state_dict(), name + ".");
  return all;
}

void Module::load_state_dict(const std::vector<NamedTensor>& state) {
  copy_state("load_state_dict: " + class_name(), state_dict(), state);
}

void Module::apply(const std::function<void(Module&)>& f) {
  for (const auto& [name, child] : children_) child->apply(f);
  f(*this);
}

std::int64_t Module::parameter_count() const {
  std::int64_t count = 0;
  for (const NamedTensor& p : named_parameters()) count += p.tensor.numel();
  return count;
}

void Module::zero_grad() {
  for (NamedTensor& p : named_parameters()) p.tensor.zero_grad();
}

void Module::set_training(bool training) {
  apply([training](Module& module) { module.training_ = training; });
}

void Module::to(DType dtype) {
  require<ValueError>(is_floating(dtype), "to: dtype: expected float32 or float64, got {}",
                      resgrad::name(dtype));
  const std::vector<NamedTensor> state = state_dict();
  std::vector<Tensor> converted;  // all of them first: memory may run out
  for (const NamedTensor& t : state) {
    const bool floating = is_floating(t.tensor.dtype());
    converted.push_back(floating ? t.tensor.detach().to(dtype) : Tensor());
  }
  for (std::size_t i = 0; i < state.size(); ++i) {
    Tensor tensor = state[i].tensor;
    if (converted[i].defined()) tensor.set_data(converted[i]);
  }
}

void Module::require_free_name(std::string_view op, std::string_view name) const {
  require<ValueError>(!name.empty() && name.find('.') == name.npos,
                      "{}: name: expected one without dots that is not empty, got \"{}\"", op,
                      name);
  const auto of_tensor = [name](const NamedTensor& t) { return t.name == name; };
  const bool taken =
      std::ranges::any_of(parameters_, of_tensor) || std::ranges::any_of(buffers_, of_tensor) ||
      std::ranges::any_of(children_, [name](const auto& child) { return child.first == name; });
  require<ValueError>(!taken, "{}: name: expected one that is free in its module, got \"{}\" again",
                      op, name);
}

Tensor Module::register_parameter(std::string name, Tensor tensor) {
  require_free_name("register_parameter", name);
  require<ValueError>(tensor.defined(), "register_parameter: {}: expected a tensor, got none",
                      name);
  tensor.set_requires_grad();
  parameters_.push_back({std::move(name), tensor});
  return tensor;
}

Tensor Module::register_buffer(std::string name, Tensor tensor) {
  require_free_name("register_buffer", name);
  require<ValueError>(tensor.defined(), "register_buffer: {}: expected a tensor, got none", name);
  require<StateError>(!tensor.requires_grad(),
                      "register_buffer: {}: expected a tensor without a gradient, got one that "
                      "requires it; use detach()",
                      name);
  buffers_.push_back({std::move(name), tensor});
  return tensor;
}

void Module::add_child(std::string name, ModulePtr child) {
  require_free_name("register_module", name);
  require<ValueError>(child != nullptr, "register_module: {}: expected a module, got null", name);
  child->apply([&](const Module& below) {
    require<ValueError>(&below != this,
                        "register_module: {}: expected a module that does not hold this one, got "
                        "one that does",
                        name);
  });
  children_.emplace_back(std::move(name), std::move(child));
}

}  // namespace resgrad
