#include "core/autograd/node.h"

#include <algorithm>

#include "core/autograd/grad_mode.h"
#include "core/autograd/observer.h"
#include "core/kernels/elementwise.h"

namespace resgrad {
namespace {

class AccumulateGrad final : public Node {
 public:
  explicit AccumulateGrad(const Tensor& leaf) : leaf_(leaf.impl()) {}

  const char* name() const override { return "leaf"; }
  bool is_accumulator() const override { return true; }

  std::vector<Tensor> backward(const Tensor& dy) override {
    const auto leaf = leaf_.lock();
    // nobody can see the gradient any more, or set_data() gave the leaf another accumulator
    if (leaf == nullptr || leaf->grad_fn.get() != this) return {};
    if (!leaf->grad.defined()) {
      // dy may be shared with other nodes, and users may change gradients in place
      leaf->grad =
          dy.impl().use_count() == 1 && dy.impl()->storage.use_count() == 1 ? dy : dy.clone();
    } else {
      leaf->grad = leaf->grad.detach(leaf->format);
      leaf->grad.bump_version();
      visit_floating(leaf->dtype, "accumulate", [&]<class T>() {
        kernels::elementwise<T>().axpy(leaf->grad.data<T>(), T{1}, dy.data<T>(), dy.numel());
      });
    }
    return {};
  }

 private:
  std::weak_ptr<TensorImpl> leaf_;
};

}  // namespace

SavedTensor::SavedTensor(const Tensor& tensor)
    : tensor_(tensor.defined() ? tensor.detach() : Tensor()),
      version_(tensor.defined() ? tensor.version() : 0) {}

Tensor SavedTensor::get(const Node& node) const {
  require<StateError>(!tensor_.defined() || tensor_.version() == version_,
                      "backward of {}: a tensor of shape {} that it saved was changed in place "
                      "afterwards (version {}, saved at {})",
                      node.name(), tensor_.defined() ? tensor_.shape() : Shape{},
                      tensor_.defined() ? tensor_.version() : 0, version_);
  return tensor_;
}

double SavedTensor::bytes() const {
  return bytes_of(tensor_);
}

double Node::saved_bytes() {
  double bytes = 0;
  for (const SavedTensor* tensor : saved()) bytes += tensor->bytes();
  return bytes;
}

void Node::release() {
  for (SavedTensor* tensor : saved()) tensor->reset();
}

Node::~Node() {
  std::vector<std::shared_ptr<Node>> doomed;
  const auto take_inputs = [&doomed](Node& node) {
    for (Edge& edge : node.inputs) {
      if (edge.node != nullptr) doomed.push_back(std::move(edge.node));
    }
  };
  take_inputs(*this);
  while (!doomed.empty()) {
    const std::shared_ptr<Node> node = std::move(doomed.back());
    doomed.pop_back();
    if (node.use_count() == 1) take_inputs(*node);
  }
}

std::shared_ptr<Node> make_accumulator(const Tensor& leaf) {
  auto node = std::make_shared<AccumulateGrad>(leaf);
  node->shape = leaf.shape();
  node->dtype = leaf.dtype();
  node->format = leaf.memory_format();
  return node;
}

bool should_record(const std::vector<Input>& inputs) {
  return grad_enabled() && std::ranges::any_of(inputs, [](const Input& input) {
           return input.tensor.defined() && input.tensor.requires_grad();
         });
}

void connect(Tensor& y, std::shared_ptr<Node> node, const std::vector<Input>& inputs) {
  node->inputs.reserve(inputs.size());
  for (const Input& input : inputs) {
    node->inputs.push_back({input.name, input.tensor.defined() ? input.tensor.grad_fn() : nullptr});
  }
  node->shape = y.shape();
  node->dtype = y.dtype();
  node->format = y.memory_format();
  if (WorkObserver::active() && !node->reports_itself()) {
    Work work{.name = node->name(), .phase = "forward", .flops = 2 * node->multiply_adds()};
    work.bytes = bytes_of(y);
    for (const Input& input : inputs) work.bytes += bytes_of(input.tensor);
    report(work);
  }
  y.impl()->grad_fn = std::move(node);
}

}  // namespace resgrad
