#include "nn/recompute.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "core/autograd/engine.h"
#include "core/autograd/grad_mode.h"
#include "core/autograd/node.h"
#include "core/autograd/observer.h"

namespace resgrad {
namespace {

void append_modes(const Module& module, std::vector<bool>& modes) {
  modes.push_back(module.is_training());
  for (const auto& [name, child] : module.children()) append_modes(*child, modes);
}

// Whether the module and each below it is in train mode.
std::vector<bool> modes_of(const Module& module) {
  std::vector<bool> modes;
  append_modes(module, modes);
  return modes;
}

// The values of the buffers that calls in train mode change, such as running statistics and places
// in random numbers. Evaluation changes none.
class BufferValues {
 public:
  BufferValues() = default;
  explicit BufferValues(const Module& module) {
    const std::vector<bool> modes = modes_of(module);
    if (std::ranges::find(modes, true) == modes.end()) return;
    for (const NamedTensor& buffer : module.named_buffers()) {
      values_.emplace_back(buffer.tensor, buffer.tensor.clone());
    }
  }
  // Writes only what differs: a constant buffer may be saved for backward.
  void put_back() {
    for (auto& [buffer, value] : values_) {
      const bool same =
          buffer.byte_size() == value.byte_size() &&
          std::equal(value.bytes(), value.bytes() + value.byte_size(), buffer.bytes());
      if (!same) buffer.copy_(value);
    }
  }

 private:
  std::vector<std::pair<Tensor, Tensor>> values_;
};

// Puts the buffers back at its end.
class SideEffectsUndone {
 public:
  explicit SideEffectsUndone(const Module& module) : before_(module) {}
  ~SideEffectsUndone() { before_.put_back(); }
  SideEffectsUndone(const SideEffectsUndone&) = delete;
  SideEffectsUndone& operator=(const SideEffectsUndone&) = delete;

 private:
  BufferValues before_;
};

// Sums of the words in memory and of these sums (Fletcher 1982, with words of 64 bits), which tell
// the places of the words too.
std::array<std::uint64_t, 2> checksum(const Tensor& t) {
  std::uint64_t sum = 0, sum_of_sums = 0;
  const std::size_t size = t.byte_size();
  for (std::size_t i = 0; i < size; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, t.bytes() + i, std::min(sizeof word, size - i));
    sum += word;
    sum_of_sums += sum;
  }
  return {sum, sum_of_sums};
}

// What a call of the module uses and does not change: its parameters, in evaluation mode its
// buffers as well, such as running statistics.
void append_used(const Module& module, std::vector<SavedTensor>& used) {
  for (const NamedTensor& t : module.own_parameters()) used.emplace_back(t.tensor);
  if (!module.is_training()) {
    for (const NamedTensor& t : module.own_buffers()) used.emplace_back(t.tensor);
  }
  for (const auto& [name, child] : module.children()) append_used(*child, used);
}

struct RecomputeNode final : Node {
  using Forward = std::function<Tensor(const Tensor&)>;

  RecomputeNode(Module& module, Forward forward, const Tensor& x, const Tensor& y,
                BufferValues buffers)
      : module_(module),
        owner_(module.weak_from_this().lock()),
        forward_(std::move(forward)),
        x_(x),
        modes_(modes_of(module)),
        buffers_(std::move(buffers)),
        observed_(CallObserver::active()),
        checksum_(checksum(y)) {
    append_used(module, used_);
  }
  const char* name() const override { return "recompute"; }
  bool reports_itself() const override { return true; }
  void release() override {
    x_.reset();
    used_.clear();
    owner_.reset();
    buffers_ = {};
  }

  std::vector<Tensor> backward(const Tensor& dy) override {
    require<StateError>(modes_of(module_) == modes_,
                        "backward of recompute: {}: expected the modes of forward (train or "
                        "evaluation), got a module in the other",
                        module_.class_name());
    for (const SavedTensor& tensor : used_) tensor.get(*this);  // throws if one was changed
    Tensor x = x_.get(*this).detach();
    if (needs_grad(0)) x.set_requires_grad();
    Tensor y;
    {
      const SideEffectsUndone undone(module_);
      buffers_.put_back();
      const EnableGradGuard record_again;
      y = forward_(x);
    }
    // an observer keeps modules from joining their work: then the last bits may differ
    require<StateError>(
        observed_ != CallObserver::active() || checksum(y) == checksum_,
        "backward of recompute: {}: expected the output of forward once more, got "
        "another one: a module in it keeps a state, such as random numbers, outside "
        "its buffers",
        module_.class_name());
    // hands the gradients of the parameters over by itself; recursive once per level of nesting
    run_backward(y, dy, {});
    std::vector<Tensor> gradients(inputs.size());
    gradients[0] = x.grad();
    return gradients;
  }

  Module& module_;
  std::shared_ptr<Module> owner_;  // keeps module_ alive, where it is shared
  Forward forward_;
  SavedTensor x_;
  std::vector<SavedTensor> used_;  // the module's own tensors, for their versions
  std::vector<bool> modes_;
  BufferValues buffers_;  // as they were before forward
  bool observed_;
  std::array<std::uint64_t, 2> checksum_;  // of the output
};

}  // namespace

Tensor recompute(Module& module, std::function<Tensor(const Tensor&)> forward, const Tensor& x) {
  const std::vector<NamedTensor> parameters = module.named_parameters();
  // edges to the parameters, so that the result requires a gradient when they do and x does not
  std::vector<Input> inputs{{"x", x}};
  for (const NamedTensor& p : parameters) inputs.push_back({"parameter", p.tensor});
  if (!should_record(inputs)) return forward(x);
  BufferValues buffers(module);
  Tensor y;
  {
    const NoGradGuard no_grad;
    const UnobservedGuard unobserved;  // the second run reports its operations one by one
    y = forward(x).detach();           // forward may return x itself
  }
  if (WorkObserver::active()) report({.name = "recompute", .phase = "forward"});
  return record<RecomputeNode>(y, inputs, module, std::move(forward), x, y, std::move(buffers));
}

void set_recompute(Module& module, bool value) {
  module.call_through(value ? recompute : nullptr);
}

}  // namespace resgrad
