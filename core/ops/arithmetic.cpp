#include "core/ops/arithmetic.h"

#include <algorithm>
#include <cmath>

#include "core/autograd/node.h"
#include "core/kernels/arithmetic.h"
#include "core/kernels/elementwise.h"
#include "core/ops/axes.h"
#include "core/xtensor.h"

namespace resgrad {
namespace {

void require_same_dtype(std::string_view op, const Tensor& a, const Tensor& b) {
  require<ValueError>(a.dtype() == b.dtype() && is_floating(a.dtype()),
                      "{}: dtypes: expected two equal floating dtypes, got {} and {}", op,
                      name(a.dtype()), name(b.dtype()));
}

// Uninitialised, of the broadcast shape, in the memory format of the larger operand; contiguous
// when both are as large and differ.
Tensor empty_result(std::string_view op, const Tensor& a, const Tensor& b) {
  require_same_dtype(op, a, b);
  const Shape shape = broadcast_shapes(op, a.shape(), b.shape());
  const std::int64_t most = std::max(a.numel(), b.numel());
  const auto allows_channels_last = [most](const Tensor& t) {
    return t.numel() < most || t.memory_format() == MemoryFormat::channels_last;
  };
  const bool channels_last =
      shape.size() == 4 && allows_channels_last(a) && allows_channels_last(b);
  return Tensor::empty(shape, a.dtype(),
                       channels_last ? MemoryFormat::channels_last : MemoryFormat::contiguous);
}

// Per axis of y how far apart the elements of t lie, 0 where t is repeated.
std::vector<std::int64_t> steps(const Tensor& t, const Tensor& y) {
  const std::size_t missing = y.shape().size() - t.shape().size();
  std::vector<std::int64_t> result(missing, 0), strides = t.strides();
  for (std::size_t i = 0; i < strides.size(); ++i) {
    result.push_back(t.shape()[i] == 1 ? 0 : strides[i]);
  }
  return result;
}

// y[i] = f(a[i], b[i]) with broadcasting, by one of the kernels.
Tensor binary(std::string_view op, const Tensor& a, const Tensor& b, auto kernel) {
  Tensor y = empty_result(op, a, b);
  if (y.numel() == 0) return y;
  const std::vector<kernels::StridedAxis> axes =
      joined_axes(y, y.shape(), steps(a, y), steps(b, y));
  visit_floating(a.dtype(), op, [&]<class T>() {
    kernel(kernels::arithmetic<T>())(y.data<T>(), a.data<T>(), b.data<T>(), axes.data(),
                                     static_cast<std::int64_t>(axes.size()));
  });
  return y;
}

Tensor raw_mul(const Tensor& a, const Tensor& b) {
  return binary("mul", a, b, [](const auto& k) { return k.mul; });
}

Tensor raw_div(const Tensor& a, const Tensor& b) {
  return binary("div", a, b, [](const auto& k) { return k.div; });
}

// t written out in the shape of y, in the order in which y lies in memory.
Tensor repeated(const Tensor& t, const Tensor& y) {
  Tensor all = Tensor::empty_like(y);
  copy_places(all, {0, all.strides()}, t, {0, steps(t, y)}, y.shape());
  return all;
}

// The same for a function of two numbers.
template <class F>
Tensor binary_function(std::string_view op, const Tensor& a, const Tensor& b, F&& f) {
  Tensor y = empty_result(op, a, b);
  if (y.numel() == 0) return y;
  const Tensor all_a = repeated(a, y), all_b = repeated(b, y);
  visit_floating(a.dtype(), op, [&]<class T>() {
    std::transform(all_a.data<T>(), all_a.data<T>() + y.numel(), all_b.data<T>(), y.data<T>(),
                   [&f](T v, T w) { return static_cast<T>(f(v, w)); });
  });
  return y;
}

Tensor scaled(const Tensor& x, double alpha) {
  Tensor y = Tensor::empty_like(x);
  visit_floating(x.dtype(), "mul", [&]<class T>() {
    kernels::elementwise<T>().scale(y.data<T>(), static_cast<T>(alpha), x.data<T>(), x.numel());
  });
  return y;
}

// y[i] = f(x[i]) in memory order.
template <class F>
Tensor unary(std::string_view op, const Tensor& x, F&& f) {
  Tensor y = Tensor::empty_like(x);
  visit_floating(x.dtype(), op, [&]<class T>() {
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

// Keeps of each operand what the gradient of the other takes.
struct MulNode final : BinaryNode {
  MulNode(const Tensor& a, const Tensor& b) : BinaryNode(a, b) {
    if (b.requires_grad()) a_ = a;
    if (a.requires_grad()) b_ = b;
  }
  const char* name() const override { return "mul"; }
  std::vector<SavedTensor*> saved() override { return {&a_, &b_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    return {needs_grad(0) ? sum_to_shape(raw_mul(dy, b_.get(*this)), a_shape) : Tensor(),
            needs_grad(1) ? sum_to_shape(raw_mul(dy, a_.get(*this)), b_shape) : Tensor()};
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
      const Tensor slope = binary_function(
          "pow", a, b, [](auto x, auto e) { return e == 0 ? 0 : e * std::pow(x, e - 1); });
      da = sum_to_shape(raw_mul(dy, slope), a.shape());
    }
    if (needs_grad(1)) {
      const Tensor slope = binary_function("pow", a, b, [](auto x, auto e) {
        return x == 0 && e >= 0 ? 0 : std::pow(x, e) * std::log(x);
      });
      db = sum_to_shape(raw_mul(dy, slope), b.shape());
    }
    return {da, db};
  }
  SavedTensor a_, b_;
};

// x ^ exponent; small integers as products.
Tensor power(const Tensor& x, double exponent) {
  if (exponent == 1) return x;
  if (exponent == 2) return raw_mul(x, x);
  if (exponent == 3) return raw_mul(raw_mul(x, x), x);
  return unary("pow", x, [exponent](auto&& v) {
    using T = typename std::decay_t<decltype(v)>::value_type;
    return xt::pow(v, static_cast<T>(exponent));
  });
}

struct PowScalarNode final : Node {
  PowScalarNode(const Tensor& x, double exponent) : x_(x), exponent_(exponent) {}
  const char* name() const override { return "pow"; }
  std::vector<SavedTensor*> saved() override { return {&x_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    if (exponent_ == 0) return {Tensor::zeros_like(dy)};
    return {raw_mul(dy, scaled(power(x_.get(*this), exponent_ - 1), exponent_))};
  }
  SavedTensor x_;
  double exponent_;
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
  std::vector<bool> summed;
  for (std::size_t i = 0; i < t.shape().size(); ++i) {
    summed.push_back(i < extra || (shape[i - extra] == 1 && t.shape()[i] != 1));
  }
  return sum_along(t, summed, 1, shape);
}

Tensor add(const Tensor& a, const Tensor& b) {
  return record<AddNode>(binary("add", a, b, [](const auto& k) { return k.add; }),
                         {{"a", a}, {"b", b}}, a, b);
}

Tensor sub(const Tensor& a, const Tensor& b) {
  return record<SubNode>(binary("sub", a, b, [](const auto& k) { return k.sub; }),
                         {{"a", a}, {"b", b}}, a, b);
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return record<MulNode>(raw_mul(a, b), {{"a", a}, {"b", b}}, a, b);
}

Tensor div(const Tensor& a, const Tensor& b) {
  return record<DivNode>(raw_div(a, b), {{"a", a}, {"b", b}}, a, b);
}

Tensor pow(const Tensor& a, const Tensor& b) {
  Tensor y = binary_function("pow", a, b, [](auto x, auto e) { return std::pow(x, e); });
  return record<PowNode>(y, {{"a", a}, {"b", b}}, a, b);
}

Tensor eq(const Tensor& a, const Tensor& b) {
  return binary_function("eq", a, b, [](auto x, auto y) { return x == y ? 1 : 0; });
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
  // a copy where power() has nothing to do
  return record<PowScalarNode>(b == 1 ? a.detach().clone() : power(a, b), {{"a", a}}, a, b);
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
