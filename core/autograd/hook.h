// Hooks: what users let run on the gradient of a tensor.
#pragma once

#include <functional>
#include <memory>
#include <vector>

namespace resgrad {

class Tensor;

/// Gets the complete gradient of a tensor; a defined result replaces it.
using Hook = std::function<Tensor(const Tensor&)>;

/// The hooks of one tensor, in the order in which they are called. Each is shared, so that it
/// outlives its own call if that removes it.
using Hooks = std::vector<std::shared_ptr<Hook>>;

/// Stands for a registered hook. It keeps neither the hook nor the tensor alive, and its end does
/// not remove the hook.
class HookHandle {
 public:
  HookHandle() = default;
  HookHandle(const std::shared_ptr<Hooks>& hooks, const std::shared_ptr<Hook>& hook)
      : hooks_(hooks), hook_(hook) {}

  /// The hook is not called any more. Does nothing when it was removed before or the tensor is
  /// gone.
  void remove();

 private:
  std::weak_ptr<Hooks> hooks_;
  std::weak_ptr<Hook> hook_;
};

}  // namespace resgrad
