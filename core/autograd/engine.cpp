#include "core/autograd/engine.h"

#include <unordered_map>
#include <utility>

#include "core/autograd/grad_mode.h"
#include "core/autograd/node.h"
#include "core/autograd/observer.h"
#include "core/kernels/elementwise.h"

namespace resgrad {
namespace {

struct Pending {
  std::size_t missing = 0;  // gradients still to come
  Tensor grad;              // the sum of those that came
};

// Counts the edges that lead to each node below `root`, all of which can run.
std::unordered_map<Node*, Pending> count_edges(Node* root) {
  std::unordered_map<Node*, Pending> pending{{root, {}}};
  std::vector<Node*> stack{root};
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    // before the first one runs: an error changes nothing
    require<StateError>(!node->released,
                        "backward of {}: its saved tensors were freed by an earlier backward(); "
                        "pass {{.retain_graph = true}} there to call it twice",
                        node->name());
    for (const Edge& edge : node->inputs) {
      if (edge.node == nullptr) continue;
      const auto [entry, is_new] = pending.try_emplace(edge.node.get());
      ++entry->second.missing;
      if (is_new) stack.push_back(edge.node.get());
    }
  }
  return pending;
}

// Adds `dy` to `sum`. A buffer that nobody else holds is reused.
void accumulate(Tensor& sum, Tensor dy) {
  if (!sum.defined()) {
    sum = std::move(dy);
    return;
  }
  const bool owned = sum.impl().use_count() == 1 && sum.impl()->storage.use_count() == 1;
  Tensor out = owned ? sum : Tensor::empty_like(sum);
  visit_floating(sum.dtype(), "backward", [&]<class T>() {
    kernels::elementwise<T>().add(out.data<T>(), sum.data<T>(), dy.data<T>(), sum.numel());
  });
  if (WorkObserver::active()) {
    report({.name = "add_gradients", .phase = "backward", .bytes = 3 * bytes_of(out)});
  }
  sum = std::move(out);
}

void report_backward(Node& node, const Tensor& dy, const std::vector<Tensor>& input_grads) {
  if (node.reports_itself()) return;
  Work work{.name = node.name(), .phase = "backward"};
  // a leaf mostly takes the gradient as it is
  if (!node.is_accumulator()) work.bytes = bytes_of(dy) + node.saved_bytes();
  for (std::size_t i = 0; i < input_grads.size(); ++i) {
    work.bytes += bytes_of(input_grads[i]);
    // behind the two operands of a product may be a bias
    if (i < 2 && input_grads[i].defined()) work.flops += 2 * node.multiply_adds();
  }
  report(work);
}

// The gradient as `target` takes it: checked, and in the memory format of target's output.
Tensor checked_gradient(const Tensor& dy, const Node& target, std::string_view source,
                        std::size_t index, std::string_view input_name) {
  require<ShapeError>(dy.shape() == target.shape,
                      "backward of {}: input {} ({}) has shape {} but its gradient has shape {}",
                      source, index, input_name, target.shape, dy.shape());
  require<ValueError>(dy.dtype() == target.dtype,
                      "backward of {}: input {} ({}) has dtype {} but its gradient has dtype {}",
                      source, index, input_name, name(target.dtype), name(dy.dtype()));
  return dy.detach(target.format);
}

void run_hooks(const Node& node, Tensor& grad) {
  if (node.hooks == nullptr) return;
  const Hooks present = *node.hooks;  // a hook may add and remove hooks
  for (const auto& hook : present) {
    const Tensor replaced = (*hook)(grad);
    if (replaced.defined()) grad = checked_gradient(replaced, node, "a hook", 0, node.name());
  }
}

}  // namespace

void run_backward(const Tensor& root, const Tensor& dy, BackwardOptions options) {
  require<StateError>(root.requires_grad(),
                      "backward: expected a tensor that requires a gradient, got one without a "
                      "graph (no input required a gradient, or NoGradGuard was alive)");
  const NoGradGuard no_grad;
  // kept, whatever hooks do to root: NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
  const std::shared_ptr<Node> root_node = root.grad_fn();
  std::unordered_map<Node*, Pending> pending = count_edges(root_node.get());
  pending[root_node.get()].grad = checked_gradient(dy.detach(), *root_node, "the root", 0, "dy");

  std::vector<Node*> ready{root_node.get()};
  while (!ready.empty()) {
    Node* node = ready.back();
    ready.pop_back();
    Tensor grad = std::move(pending.at(node).grad);
    std::vector<Tensor> input_grads;
    if (grad.defined()) {  // undefined: no path from here to the root carries a gradient
      run_hooks(*node, grad);
      input_grads = node->backward(grad);
      if (WorkObserver::active()) report_backward(*node, grad, input_grads);
      grad = Tensor();
    }
    if (!options.retain_graph && !node->is_accumulator()) {
      node->release();
      node->released = true;
    }
    require<StateError>(input_grads.empty() || input_grads.size() == node->inputs.size(),
                        "backward of {}: expected {} gradients, got {}", node->name(),
                        node->inputs.size(), input_grads.size());
    for (std::size_t i = 0; i < node->inputs.size(); ++i) {
      const Edge& edge = node->inputs[i];
      if (edge.node == nullptr) continue;
      Pending& target = pending.at(edge.node.get());
      if (i < input_grads.size() && input_grads[i].defined()) {
        Tensor checked =
            checked_gradient(input_grads[i], *edge.node, node->name(), i, edge.input_name);
        input_grads[i] = Tensor();
        accumulate(target.grad, std::move(checked));
      }
      if (--target.missing == 0) ready.push_back(edge.node.get());
    }
  }
}

}  // namespace resgrad
