#include "core/ops/relu.h"

#include "core/autograd/node.h"
#include "core/kernels/elementwise.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

// The gradient that a ReLU with output y lets through.
Tensor masked(const Tensor& dy, const Tensor& y) {
  Tensor dx = Tensor::empty_like(y);
  visit_floating(y.dtype(), "relu", [&](auto tag) {
    using T = decltype(tag);
    kernels::elementwise<T>().relu_backward(dx.data<T>(), dy.data<T>(), y.data<T>(), y.numel());
  });
  return dx;
}

struct ReluNode final : Node {
  explicit ReluNode(const Tensor& y) : y_(y) {}
  const char* name() const override { return "relu"; }
  std::vector<SavedTensor*> saved() override { return {&y_}; }
  std::vector<Tensor> backward(const Tensor& dy) override { return {masked(dy, y_.get(*this))}; }
  SavedTensor y_;
};

struct AddReluNode final : Node {
  explicit AddReluNode(const Tensor& y) : y_(y) {}
  const char* name() const override { return "add_relu"; }
  std::vector<SavedTensor*> saved() override { return {&y_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor g = masked(dy, y_.get(*this));
    return {g, g};
  }
  SavedTensor y_;
};

}  // namespace

Tensor relu(const Tensor& x) {
  Tensor y = Tensor::empty_like(x);
  visit_floating(x.dtype(), "relu", [&](auto tag) {
    using T = decltype(tag);
    kernels::elementwise<T>().relu_forward(y.data<T>(), x.data<T>(), x.numel());
  });
  return record<ReluNode>(y, {{"x", x}}, y);
}

Tensor add_relu(const Tensor& a, const Tensor& b) {
  require_floating("add_relu", "a", a);
  require_dtype("add_relu", "b", b, a.dtype());
  require_shape("add_relu", "b", b, a.shape());
  const Tensor other = b.detach(a.memory_format());
  Tensor y = Tensor::empty_like(a);
  visit_floating(a.dtype(), "add_relu", [&](auto tag) {
    using T = decltype(tag);
    kernels::elementwise<T>().add_relu(y.data<T>(), a.data<T>(), other.data<T>(), a.numel());
  });
  return record<AddReluNode>(y, {{"a", a}, {"b", b}}, y);
}

}  // namespace resgrad
