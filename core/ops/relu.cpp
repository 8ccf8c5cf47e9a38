#include "core/ops/relu.h"

#include "core/autograd/node.h"
#include "core/kernels/elementwise.h"

namespace resgrad {
namespace {

struct ReluNode final : Node {
  explicit ReluNode(const Tensor& y) : y_(y) {}
  const char* name() const override { return "relu"; }
  std::vector<SavedTensor*> saved() override { return {&y_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor y = y_.get(*this);
    Tensor dx = Tensor::empty_like(y);
    visit_floating(y.dtype(), "relu", [&]<class T>() {
      kernels::elementwise<T>().relu_backward(dx.data<T>(), dy.data<T>(), y.data<T>(), y.numel());
    });
    return {dx};
  }
  SavedTensor y_;
};

}  // namespace

Tensor relu(const Tensor& x) {
  Tensor y = Tensor::empty_like(x);
  visit_floating(x.dtype(), "relu", [&]<class T>() {
    kernels::elementwise<T>().relu_forward(y.data<T>(), x.data<T>(), x.numel());
  });
  return record<ReluNode>(y, {{"x", x}}, y);
}

}  // namespace resgrad
