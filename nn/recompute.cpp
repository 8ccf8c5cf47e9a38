#include "nn/recompute.h"

#include "core/autograd/engine.h"
#include "core/autograd/grad_mode.h"
#include "core/autograd/node.h"
#include "core/autograd/observer.h"
#include "nn/layers.h"

namespace resgrad {
namespace {

std::vector<Dropout*> dropouts(Module& module) {
  std::vector<Dropout*> all;
  module.apply([&all](Module& m) {
    if (auto* dropout = dynamic_cast<Dropout*>(&m)) all.push_back(dropout);
  });
  return all;
}

/// Where a module stands in its random numbers.
std::vector<std::uint64_t> random_position(Module& module) {
  std::vector<std::uint64_t> calls;
  for (const Dropout* dropout : dropouts(module)) calls.push_back(dropout->calls());
  return calls;
}

void set_random_position(Module& module, const std::vector<std::uint64_t>& calls) {
  auto next = calls.begin();
  for (Dropout* dropout : dropouts(module)) dropout->set_calls(*next++);
}

/// Puts back, at its end, what calls of the module in train mode change: buffers and the position
/// in the random numbers.
class SideEffectsUndone {
 public:
  explicit SideEffectsUndone(Module& module)
      : module_(module), random_position_(random_position(module)) {
    if (!module.is_training()) return;
    for (const NamedTensor& buffer : module.named_buffers()) {
      buffers_.push_back({buffer.tensor, buffer.tensor.clone()});
    }
  }
  ~SideEffectsUndone() {
    set_random_position(module_, random_position_);
    for (auto& [buffer, before] : buffers_) buffer.copy_(before);
  }
  SideEffectsUndone(const SideEffectsUndone&) = delete;
  SideEffectsUndone& operator=(const SideEffectsUndone&) = delete;

 private:
  Module& module_;
  std::vector<std::uint64_t> random_position_;
  std::vector<std::pair<Tensor, Tensor>> buffers_;
};

constexpr const char* mode(bool training) {
  return training ? "train" : "evaluation";
}

struct RecomputeNode final : Node {
  using Forward = std::function<Tensor(const Tensor&)>;

  RecomputeNode(Module& module, Forward forward, const Tensor& x,
                std::vector<std::uint64_t> random_position)
      : module_(module),
        owner_(module.weak_from_this().lock()),
        forward_(std::move(forward)),
        x_(x),
        training_(module.is_training()),
        random_position_(std::move(random_position)) {
    // evaluation uses the running statistics as well
    for (const NamedTensor& t : training_ ? module.named_parameters() : module.state_dict()) {
      used_.emplace_back(t.tensor);
    }
  }
  const char* name() const override { return "recompute"; }
  bool reports_itself() const override { return true; }
  void release() override {
    x_.reset();
    used_.clear();
    owner_.reset();
  }

  std::vector<Tensor> backward(const Tensor& dy) override {
    require<StateError>(module_.is_training() == training_,
                        "backward of recompute: {}: expected {} mode as in forward, got {} mode",
                        module_.class_name(), mode(training_), mode(module_.is_training()));
    for (const SavedTensor& tensor : used_) tensor.get(*this);  // throws if one was changed
    Tensor x = x_.get(*this).detach();
    if (needs_grad(0)) x.set_requires_grad();
    Tensor y;
    {
      const SideEffectsUndone undone(module_);
      set_random_position(module_, random_position_);
      const EnableGradGuard record_again;
      y = forward_(x);
    }
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
  bool training_;
  std::vector<std::uint64_t> random_position_;
};

}  // namespace

Tensor recompute(Module& module, std::function<Tensor(const Tensor&)> forward, const Tensor& x) {
  const std::vector<NamedTensor> parameters = module.named_parameters();
  // edges to the parameters, so that the result requires a gradient when they do and x does not
  std::vector<Input> inputs{{"x", x}};
  for (const NamedTensor& p : parameters) inputs.push_back({"parameter", p.tensor});
  if (!should_record(inputs)) return forward(x);
  std::vector<std::uint64_t> position = random_position(module);
  Tensor y;
  {
    const NoGradGuard no_grad;
    y = forward(x).detach();  // forward may return x itself
  }
  // the second run reports its operations one by one
  if (WorkObserver::active()) report({.name = "recompute", .phase = "forward"});
  return record<RecomputeNode>(y, inputs, module, std::move(forward), x, std::move(position));
}

}  // namespace resgrad
