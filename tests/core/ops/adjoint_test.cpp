// For a linear operation y = A x, the gradient of <y, r> is A' r. So <A x, r> == <x, A' r> to
// rounding: no step size, and every wrong sign or index shows. r and x are random.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>

#include "core/ops/arithmetic.h"
#include "core/ops/conv2d.h"
#include "core/ops/matmul.h"
#include "core/ops/pool.h"
#include "core/ops/reduce.h"
#include "core/ops/shaping.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

constexpr MemoryFormat kFormats[] = {MemoryFormat::contiguous, MemoryFormat::channels_last};

void check_adjoint(const std::string& what, const Shape& shape,
                   const std::function<Tensor(const Tensor&)>& a) {
  CAPTURE(what);
  for (MemoryFormat format : kFormats) {
    if (format == MemoryFormat::channels_last && shape.size() != 4) continue;
    const Tensor x = random_tensor(shape, 11, DType::float64, format).set_requires_grad();
    const Tensor y = a(x);
    const Tensor r = random_tensor(y.shape(), 12);
    y.backward(r);
    const double forward = dot(y, r), backward = dot(x, x.grad());
    CHECK(std::abs(forward) > 1e-3);  // else it would prove nothing
    CHECK(std::abs(forward - backward) < 1e-11 * std::max(1.0, std::abs(forward)));
    CHECK(x.grad().memory_format() == format);
  }
}

}  // namespace

TEST_CASE("conv2d is adjoint to its gradient in x and in the weight") {
  const Conv2dOptions all_options[] = {
      {},
      {.stride = 2, .padding = 1},
      {.stride = {2, 3}, .padding = {0, 2}, .dilation = {2, 1}},
      {.padding = 1, .groups = 3},
      {.stride = 2, .padding = {2, 1}, .dilation = 2, .groups = 6}};
  for (const Conv2dOptions& o : all_options) {
    const Shape w_shape{12, 6 / o.groups, 3, 2}, x_shape{3, 6, 9, 7};
    const Tensor w = random_tensor(w_shape, 1), x = random_tensor(x_shape, 2);
    check_adjoint("in x", x_shape, [&](const Tensor& t) { return conv2d(t, w, o); });
    check_adjoint("in the weight", w_shape, [&](const Tensor& t) { return conv2d(x, t, o); });
  }
}

TEST_CASE("linear and matmul are adjoint to their gradients in every input") {
  const Tensor x = random_tensor({5, 7}, 1), w = random_tensor({3, 7}, 2);
  const Tensor b = random_tensor({7, 3}, 3);
  check_adjoint("x", {5, 7}, [&](const Tensor& t) { return linear(t, w); });
  check_adjoint("weight", {3, 7}, [&](const Tensor& t) { return linear(x, t); });
  check_adjoint("a", {5, 7}, [&](const Tensor& t) { return matmul(t, b); });
  check_adjoint("b", {7, 3}, [&](const Tensor& t) { return matmul(x, t); });
}

TEST_CASE("average pooling is adjoint to its gradient") {
  check_adjoint("windows", {2, 3, 7, 5}, [](const Tensor& t) {
    return avg_pool2d(t, {.kernel = {3, 2}, .stride = Pair2d(2, 1), .padding = {1, 0}});
  });
  check_adjoint("global", {2, 3, 7, 5}, [](const Tensor& t) { return global_avg_pool2d(t); });
}

TEST_CASE("reductions are adjoint to their gradients") {
  const Shape shape{2, 3, 4, 5};
  for (const ReduceOptions& o : {ReduceOptions{}, ReduceOptions{.axes = {0, 2}},
                                 ReduceOptions{.axes = {-1}, .keep_dims = true}}) {
    check_adjoint("sum", shape, [&](const Tensor& t) { return sum(t, o); });
    check_adjoint("mean", shape, [&](const Tensor& t) { return mean(t, o); });
  }
}

TEST_CASE("shaping is adjoint to its gradient") {
  const Shape shape{2, 3, 4, 5};
  const Tensor other = random_tensor({2, 2, 4, 5}, 3);
  check_adjoint("reshape", shape, [](const Tensor& t) { return reshape(t, {6, -1}); });
  check_adjoint("flatten", shape, [](const Tensor& t) { return flatten(t); });
  check_adjoint("permute", shape, [](const Tensor& t) { return permute(t, {2, 0, 3, 1}); });
  check_adjoint("transpose", shape, [](const Tensor& t) { return transpose(t, 1, 3); });
  check_adjoint("slice", shape, [](const Tensor& t) { return slice(t, 3, 1, 5, 3); });
  check_adjoint("zero_pad", shape, [](const Tensor& t) {
    return zero_pad(t, {{0, 0}, {1, 2}, {3, 0}});
  });
  check_adjoint("concatenate", shape, [](const Tensor& t) { return concatenate({t, t, t}, 1); });
  check_adjoint("to channels_last", shape,
                [](const Tensor& t) { return t.to(MemoryFormat::channels_last); });
  check_adjoint("to contiguous", shape,
                [](const Tensor& t) { return t.to(MemoryFormat::contiguous); });
}

TEST_CASE("addition and scaling are adjoint to their gradients") {
  const Tensor wide = Tensor::zeros({2, 3, 4, 5}, DType::float64);
  check_adjoint("broadcast add", {3, 1, 5}, [&](const Tensor& t) { return add(wide, t); });
  check_adjoint("broadcast sub", {1, 3, 1, 1}, [&](const Tensor& t) { return sub(wide, t); });
  check_adjoint("scale", {2, 3, 4, 5}, [](const Tensor& t) { return mul(t, -3); });
  check_adjoint("divide", {2, 3, 4, 5}, [](const Tensor& t) { return div(t, 7); });
  check_adjoint("negate", {2, 3, 4, 5}, [](const Tensor& t) { return neg(t); });
}
