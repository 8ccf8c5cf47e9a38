// The methods of Tensor that build a graph, change what a tensor is in it, or run it.
#include <algorithm>
#include <utility>

#include "core/autograd/engine.h"
#include "core/autograd/node.h"
#include "core/tensor.h"

namespace resgrad {
namespace {

struct ViewNode final : Node {
  explicit ViewNode(const Tensor& x) : x_shape_(x.shape()) {}
  const char* name() const override { return "view"; }
  std::vector<Tensor> backward(const Tensor& dy) override { return {dy.view(x_shape_)}; }
  Shape x_shape_;
};

struct NarrowNode final : Node {
  NarrowNode(const Tensor& x, std::int64_t begin, std::int64_t end)
      : x_shape_(x.shape()), begin_(begin), end_(end) {}
  const char* name() const override { return "narrow"; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor dx = Tensor::zeros(x_shape_, dy.dtype(), dy.memory_format());
    dx.narrow(begin_, end_).copy_(dy);
    return {dx};
  }
  Shape x_shape_;
  std::int64_t begin_, end_;
};

struct CloneNode final : Node {
  const char* name() const override { return "clone"; }
  std::vector<Tensor> backward(const Tensor& dy) override { return {dy}; }
};

}  // namespace

Tensor Tensor::view(Shape shape) const {
  require<ShapeError>(
      memory_format() == MemoryFormat::contiguous && resgrad::numel(shape, "view") == numel(),
      "view: shape: expected {} elements of a contiguous tensor, got {} for {} {}", numel(), shape,
      name(memory_format()), this->shape());
  Tensor y = detach();
  y.impl_->shape = std::move(shape);
  return record<ViewNode>(y, {{"x", *this}}, *this);
}

Tensor Tensor::narrow(std::int64_t begin, std::int64_t end) const {
  require<ShapeError>(rank() >= 1 && 0 <= begin && begin <= end && end <= dim(0),
                      "narrow: range: expected 0 <= begin <= end <= size of axis 0 of {}, got "
                      "[{}, {})",
                      shape(), begin, end);
  const std::size_t row_bytes = dim(0) == 0 ? 0 : byte_size() / static_cast<std::size_t>(dim(0));
  Tensor y = detach();
  y.impl_->shape[0] = end - begin;
  y.impl_->offset += static_cast<std::size_t>(begin) * row_bytes;
  return record<NarrowNode>(y, {{"x", *this}}, *this, begin, end);
}

Tensor Tensor::clone() const {
  Tensor y = empty_like(*this);
  y.copy_(*this);
  return record<CloneNode>(y, {{"x", *this}});
}

Tensor& Tensor::set_requires_grad(bool value) {
  require<ValueError>(!value || is_floating(dtype()),
                      "set_requires_grad: dtype: expected float32 or float64, got {}",
                      name(dtype()));
  require<StateError>(is_leaf(),
                      "set_requires_grad: expected a leaf, got the result of {}; use detach()",
                      requires_grad() ? grad_fn()->name() : "");
  if (!value && requires_grad()) {
    impl_->grad_fn->hooks = nullptr;  // graphs that still lead there end without being seen
    impl_->grad_fn = nullptr;
  } else if (value && !requires_grad()) {
    impl_->grad_fn = make_accumulator(*this);
    impl_->grad_fn->hooks = impl_->hooks;
  }
  return *this;
}

void Tensor::set_data(const Tensor& other) {
  require<StateError>(is_leaf(), "set_data: expected a leaf, got the result of an operation");
  const bool wants_grad = requires_grad();
  require<ValueError>(!wants_grad || is_floating(other.dtype()),
                      "set_data: other: expected float32 or float64 for a tensor that requires a "
                      "gradient, got {}",
                      name(other.dtype()));
  set_requires_grad(false);
  static_cast<TensorData&>(*impl_) = static_cast<const TensorData&>(other.checked());
  zero_grad();
  set_requires_grad(wants_grad);  // with an accumulator that knows shape and dtype
}

bool Tensor::is_leaf() const {
  return !requires_grad() || grad_fn()->is_accumulator();
}

void Tensor::backward(BackwardOptions options) const {
  require<ShapeError>(numel() == 1,
                      "backward: tensor: expected one element (or a gradient dy), got shape {}",
                      shape());
  backward(full(shape(), 1, dtype(), memory_format()), options);
}

void Tensor::backward(const Tensor& dy, BackwardOptions options) const {
  require<ValueError>(dy.defined(), "backward: dy: expected a gradient, got an undefined tensor");
  run_backward(*this, dy, options);
}

HookHandle Tensor::register_hook(Hook hook) const {
  require<StateError>(requires_grad(), "register_hook: expected a tensor that requires a gradient");
  if (impl_->hooks == nullptr) impl_->hooks = std::make_shared<Hooks>();
  grad_fn()->hooks = impl_->hooks;
  impl_->hooks->push_back(std::make_shared<Hook>(std::move(hook)));
  return {impl_->hooks, impl_->hooks->back()};
}

}  // namespace resgrad
