#include "core/ops/arithmetic.h"

#include <cmath>

#include "core/autograd/node.h"
#include "core/kernels/elementwise.h"
#include "core/ops/adapt.h"

namespace resgrad {
namespace {

void require_same_dtype(std::string_view op, const Tensor& a, const Tensor& b) {
  require<ValueError>(a.dtype() == b.dtype() && is_floating(a.dtype()),
                      "{}: dtypes: expected two equal floating dtypes, got {} and {}", op,
                      name(a.dtype()), name(b.dtype()));
}

// y[i] = f(a[i], b[i]) for T in float and double, with broadcasting. `f` must accept both element
// types and xtensor expressions.
template <class F>
Tensor broadcast(std::string_view op, const Tensor& a, const Tensor& b, F&& f) {
  require_same_dtype(op, a, b);
  const Shape shape = broadcast_shapes(op, a.shape(), b.shape());
  // channels_last when both are, or one is and the other is a single number
  const auto channels_last = [](const Tensor& t) {
    return t.memory_format() == MemoryFormat::channels_last;
  };
  const bool keeps_format =
      channels_last(a) ? channels_last(b) || b.numel() == 1 : channels_last(b) && a.numel() == 1;
  Tensor y = Tensor::empty(
      shape, a.dtype(),
      keeps_format && shape.size() == 4 ? MemoryFormat::channels_last : MemoryFormat::contiguous);
  if (y.numel() == 0) return y;  // xtensor would step from a null pointer
  visit_floating(a.dtype(), op, [&](auto tag) {
    using T = decltype(tag);
    auto out = adapt<T>(y);
    xt::noalias(out) = f(adapt<T>(a), adapt<T>(b));
  });
  return y;
}

// The same through a flat kernel where shapes and formats agree: the case of residual additions.
template <class F>
Tensor binary(std::string_view op, const Tensor& a, const Tensor& b, F&& f, auto kernel) {
  if (a.shape() != b.shape() || a.memory_format() != b.memory_format()) {
    return broadcast(op, a, b, f);
  }
  require_same_dtype(op, a, b);
  Tensor y = Tensor::empty_like(a);
  visit_floating(a.dtype(), op, [&](auto tag) {
    using T = decltype(tag);
    kernel(kernels::elementwise<T>())(y.data<T>(), a.data<T>(), b.data<T>(), a.numel());
  });
  return y;
}

Tensor raw_add(const Tensor& a, const Tensor& b) {
  return binary(
      "add", a, b, [](auto&& x, auto&& y) { return x + y; }, [](const auto& k) { return k.add; });
}

Tensor raw_sub(const Tensor& a, const Tensor& b) {
  return binary(
      "sub", a, b, [](auto&& x, auto&& y) { return x - y; }, [](const auto& k) { return k.sub; });
}

Tensor raw_mul(const Tensor& a, const Tensor& b) {
  return binary(
      "mul", a, b, [](auto&& x, auto&& y) { return x * y; }, [](const auto& k) { return k.mul; });
}

Tensor raw_div(const Tensor& a, const Tensor& b) {
  return binary(
      "div", a, b, [](auto&& x, auto&& y) { return x / y; }, [](const auto& k) { return k.div; });
}

Tensor scaled(const Tensor& x, double alpha) {
  Tensor y = Tensor::empty_like(x);
  visit_floating(x.dtype(), "mul", [&](auto tag) {
    using T = decltype(tag);
    kernels::elementwise<T>().scale(y.data<T>(), static_cast<T>(alpha), x.data<T>(), x.numel());
  });
  return y;
}

// y[i] = f(x[i]) in memory order.
template <class F>
Tensor unary(std::string_view op, const Tensor& x, F&& f) {
  Tensor y = Tensor::empty_like(x);
  visit_floating(x.dtype(), op, [&](auto tag) {
    using T = decltype(tag);
    const auto size = static_cast<std::size_t>(x.numel());
    const std::array<std::size_t, 1> flat{size};
    auto out = xt::adapt(y.data<T>(), size, xt::no_ownership(), flat);
    xt::noalias(out) = f(xt::adapt(x.data<T>(), size, xt::no_ownership(), flat));
  });
  return y;
}

Tensor scalar_like(const Tensor& x, double value) {
  return Tensor::scalar(value, x.dtype());
}

// Base of the binary nodes that save nothing but the shapes.
struct BinaryNode : Node {
  BinaryNode(const Tensor& a, const Tensor& b) : a_shape(a.shape()), b_shape(b.shape()) {}
  Shape a_shape, b_shape;
};

struct AddNode final : BinaryNode {
  using BinaryNode::BinaryNode;
  const char* name() const override { return "add"; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    return {needs_grad(0) ? sum_to_shape(dy, a_shape) : Tensor(),
            needs_grad(1) ? sum_to_shape(dy, b_shape) : Tensor()};
  }
};

struct SubNode final : BinaryNode {
  using BinaryNode::BinaryNode;
  const char* name() const override { return "sub"; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    return {needs_grad(0) ? sum_to_shape(dy, a_shape) : Tensor(),
            needs_grad(1) ? scaled(sum_to_shape(dy, b_shape), -1) : Tensor()};
  }
};

struct MulNode final : Node {
  MulNode(const Tensor& a, const Tensor& b) : a_(a), b_(b) {}
  const char* name() const override { return "mul"; }
  std::vector<SavedTensor*> saved() override { return {&a_, &b_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor a = a_.get(*this), b = b_.get(*this);
    return {needs_grad(0) ? sum_to_shape(raw_mul(dy, b), a.shape()) : Tensor(),
            needs_grad(1) ? sum_to_shape(raw_mul(dy, a), b.shape()) : Tensor()};
  }
  SavedTensor a_, b_;
};

struct DivNode final : Node {
  DivNode(const Tensor& a, const Tensor& b) : a_(a), b_(b) {}
  const char* name() const override { return "div"; }
  std::vector<SavedTensor*> saved() override { return {&a_, &b_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor a = a_.get(*this), b = b_.get(*this);
    const Tensor da = raw_div(dy, b);  // 1 / b
    return {needs_grad(0) ? sum_to_shape(da, a.shape()) : Tensor(),
            needs_grad(1)  // -a / b^2
                ? sum_to_shape(scaled(raw_div(raw_mul(da, a), b), -1), b.shape())
                : Tensor()};
  }
  SavedTensor a_, b_;
};

struct PowNode final : Node {
  PowNode(const Tensor& a, const Tensor& b) : a_(a), b_(b) {}
  const char* name() const override { return "pow"; }
  std::vector<SavedTensor*> saved() override { return {&a_, &b_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor a = a_.get(*this), b = b_.get(*this);
    Tensor da, db;
    if (needs_grad(0)) {
      const Tensor slope = broadcast("pow", a, b, [](auto&& x, auto&& e) {
        using T = typename std::decay_t<decltype(x)>::value_type;
        return xt::where(xt::equal(e, T{0}), T{0}, e * xt::pow(x, e - T{1}));
      });
      da = sum_to_shape(raw_mul(dy, slope), a.shape());
    }
    if (needs_grad(1)) {
      const Tensor slope = broadcast("pow", a, b, [](auto&& x, auto&& e) {
        using T = typename std::decay_t<decltype(x)>::value_type;
        return xt::where(xt::equal(x, T{0}) && e >= T{0}, T{0}, xt::pow(x, e) * xt::log(x));
      });
      db = sum_to_shape(raw_mul(dy, slope), b.shape());
    }
    return {da, db};
  }
  SavedTensor a_, b_;
};

struct ExpNode final : Node {
  explicit ExpNode(const Tensor& y) : y_(y) {}
  const char* name() const override { return "exp"; }
  std::vector<SavedTensor*> saved() override { return {&y_}; }
  std::vector<Tensor> backward(const Tensor& dy) override { return {raw_mul(dy, y_.get(*this))}; }
  SavedTensor y_;
};

struct LogNode final : Node {
  explicit LogNode(const Tensor& x) : x_(x) {}
  const char* name() const override { return "log"; }
  std::vector<SavedTensor*> saved() override { return {&x_}; }
  std::vector<Tensor> backward(const Tensor& dy) override { return {raw_div(dy, x_.get(*this))}; }
  SavedTensor x_;
};

struct SqrtNode final : Node {
  explicit SqrtNode(const Tensor& y) : y_(y) {}
  const char* name() const override { return "sqrt"; }
  std::vector<SavedTensor*> saved() override { return {&y_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    return {scaled(raw_div(dy, y_.get(*this)), 0.5)};
  }
  SavedTensor y_;
};

}  // namespace

Tensor sum_to_shape(const Tensor& t, const Shape& shape) {
  if (t.shape() == shape) return t;
  const std::size_t extra = t.shape().size() - shape.size();
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < t.shape().size(); ++i) {
    if (i < extra || (shape[i - extra] == 1 && t.shape()[i] != 1)) axes.push_back(i);
  }
  if (t.numel() == 0) return Tensor::zeros(shape, t.dtype());
  Tensor out = Tensor::empty(shape, t.dtype());
  visit_floating(t.dtype(), "sum_to_shape", [&](auto tag) {
    using T = decltype(tag);
    const xt::xarray<double> sums = xt::sum<double>(adapt<T>(t), axes);
    std::transform(sums.begin(), sums.end(), out.data<T>(),
                   [](double value) { return static_cast<T>(value); });
  });
  return out;
}

Tensor add(const Tensor& a, const Tensor& b) {
  return record<AddNode>(raw_add(a, b), {{"a", a}, {"b", b}}, a, b);
}

Tensor sub(const Tensor& a, const Tensor& b) {
  return record<SubNode>(raw_sub(a, b), {{"a", a}, {"b", b}}, a, b);
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return record<MulNode>(raw_mul(a, b), {{"a", a}, {"b", b}}, a, b);
}

Tensor div(const Tensor& a, const Tensor& b) {
  return record<DivNode>(raw_div(a, b), {{"a", a}, {"b", b}}, a, b);
}

Tensor pow(const Tensor& a, const Tensor& b) {
  Tensor y = broadcast("pow", a, b, [](auto&& x, auto&& exponent) { return xt::pow(x, exponent); });
  return record<PowNode>(y, {{"a", a}, {"b", b}}, a, b);
}

Tensor add(const Tensor& a, double b) {
  return add(a, scalar_like(a, b));
}
Tensor sub(const Tensor& a, double b) {
  return sub(a, scalar_like(a, b));
}
Tensor mul(const Tensor& a, double b) {
  return mul(a, scalar_like(a, b));
}
Tensor div(const Tensor& a, double b) {
  return div(a, scalar_like(a, b));
}
Tensor pow(const Tensor& a, double b) {
  return pow(a, scalar_like(a, b));
}
Tensor operator-(double a, const Tensor& b) {
  return sub(scalar_like(b, a), b);
}
Tensor operator/(double a, const Tensor& b) {
  return div(scalar_like(b, a), b);
}

Tensor neg(const Tensor& x) {
  return mul(x, -1);
}

Tensor exp(const Tensor& x) {
  Tensor y = unary("exp", x, [](auto&& v) { return xt::exp(v); });
  return record<ExpNode>(y, {{"x", x}}, y);
}

Tensor log(const Tensor& x) {
  return record<LogNode>(unary("log", x, [](auto&& v) { return xt::log(v); }), {{"x", x}}, x);
}

Tensor sqrt(const Tensor& x) {
  Tensor y = unary("sqrt", x, [](auto&& v) { return xt::sqrt(v); });
  return record<SqrtNode>(y, {{"x", x}}, y);
}

}  // namespace resgrad
