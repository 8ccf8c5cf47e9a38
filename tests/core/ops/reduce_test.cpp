#include "core/ops/reduce.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

Shape without(const Shape& shape, const std::vector<bool>& dropped) {
  Shape rest;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!dropped[i]) rest.push_back(shape[i]);
  }
  return rest;
}

}  // namespace

TEST_CASE("reductions agree with the naive loops for all axes and formats") {
  CHECK(rc::check("all shapes", [] {
    const Shape shape = pick_shape(pick(0, 5), 4);
    const MemoryFormat format = shape.size() == 4 ? pick_format() : MemoryFormat::contiguous;
    const DType dtype = pick_dtype();
    const Tensor x = random_tensor(shape, pick_seed(), dtype, format);
    ReduceOptions options{.keep_dims = pick_bool()};
    std::vector<bool> reduced(shape.size());
    double count = 1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      reduced[i] = pick_bool();
      const auto axis = static_cast<std::int64_t>(i);
      if (!reduced[i]) continue;
      options.axes.push_back(pick_bool() ? axis : axis - x.rank());
    }
    if (options.axes.empty()) reduced.assign(shape.size(), true);  // no axes: all of them
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (reduced[i]) count *= static_cast<double>(shape[i]);
    }
    const auto shaped = [&](Array y) {
      if (!options.keep_dims) y.shape = without(shape, reduced);
      return y;
    };
    const Array sums =
        shaped(naive_reduce(x, reduced, 0, [](double a, double b) { return a + b; }));
    Array means = sums;
    for (double& v : means.values) v /= count;
    const Array tops = shaped(
        naive_reduce(x, reduced, -INFINITY, [](double a, double b) { return std::max(a, b); }));
    expect(all_close(sum(x, options), sums, rounding(dtype)));
    expect(all_close(mean(x, options), means, rounding(dtype)));
    expect(all_close(max(x, options), tops));
  }));
}

TEST_CASE("sums of float32 are formed in double") {
  const Tensor x = Tensor::full({1 << 20}, 0.1f);
  CHECK(std::abs(x.sum().item() - 0.1f * double(1 << 20)) < 0.01);
  CHECK(x.mean().item() == doctest::Approx(0.1f).epsilon(1e-7));
}

TEST_CASE("gradients of sum and mean spread over the elements") {
  const Tensor x = random_tensor({2, 3}, 1).set_requires_grad();
  sum(x, {.axes = {0}}).backward(tensor_of({1, 2, 3}, {3}));
  CHECK(all_close(x.grad(), {1, 2, 3, 1, 2, 3}));
  const Tensor z = random_tensor({2, 3}, 1).set_requires_grad();
  mean(z, {.axes = {1}, .keep_dims = true}).backward(tensor_of({3, 6}, {2, 1}));
  CHECK(all_close(z.grad(), {1, 1, 1, 2, 2, 2}, 1e-15));
}

TEST_CASE("the gradient of max is shared equally among ties") {
  const Tensor x = tensor_of({1, 5, 5, 7, 2, 3}, {2, 3}).set_requires_grad();
  max(x, {.axes = {1}}).backward(tensor_of({1, 10}, {2}));
  CHECK(all_close(x.grad(), {0, 0.5, 0.5, 10, 0, 0}));
  const Tensor s = Tensor::scalar(3, DType::float64).set_requires_grad();
  max(s).backward();
  CHECK(s.grad().item() == 1);
}

TEST_CASE("max of all minus infinity is minus infinity, with a gradient without NaN") {
  const Tensor x = Tensor::full({2}, -INFINITY, DType::float64).set_requires_grad();
  const Tensor y = max(x);
  CHECK(y.item() == -INFINITY);
  y.backward();
  CHECK(all_close(x.grad(), {0.5, 0.5}));
}

TEST_CASE("max passes NaN on, wherever it lies") {
  CHECK(std::isnan(max(tensor_of({NAN, 1, 2}, {3})).item()));
  CHECK(std::isnan(max(tensor_of({1, NAN, 2}, {3})).item()));
  CHECK(std::isnan(max(tensor_of({1, 2, NAN}, {3})).item()));
}

TEST_CASE("the sum of nothing is zero, its mean and maximum are errors") {
  const Tensor x = Tensor::zeros({0, 3}, DType::float64);
  CHECK(x.sum().item() == 0);
  CHECK(all_close(sum(x, {.axes = {0}}), {0, 0, 0}));
  CHECK(sum(x, {.axes = {1}}).shape() == Shape{0});
  CHECK(mean(x, {.axes = {1}}).shape() == Shape{0});
  CHECK(max(x, {.axes = {1}}).shape() == Shape{0});
  CHECK_THROWS_WITH_AS(mean(x), "mean: x: expected at least one element to reduce, got [0, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(max(x, {.axes = {0}}),
                       "max: x: expected at least one element to reduce, got [0, 3]", ShapeError);
}

TEST_CASE("reductions of empty tensors give empty gradients") {
  const Tensor x = Tensor::zeros({0, 3}, DType::float64).set_requires_grad();
  for (const Tensor& y : {sum(x, {.axes = {0}}), mean(x, {.axes = {1}}), max(x, {.axes = {1}})}) {
    y.backward(Tensor::zeros(y.shape(), DType::float64));
    CHECK(x.grad().shape() == Shape{0, 3});
  }
}

TEST_CASE("reductions reject axes out of range or named twice, and labels") {
  const Tensor x = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(sum(x, {.axes = {2}}), "sum: axis: expected [-2, 2), got 2", ShapeError);
  CHECK_THROWS_WITH_AS(mean(x, {.axes = {-3}}), "mean: axis: expected [-2, 2), got -3", ShapeError);
  CHECK_THROWS_WITH_AS(max(x, {.axes = {0, -2}}), "max: axes: expected each axis once, got [0, -2]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(sum(Tensor::zeros({2}, DType::int64)),
                       "sum: x: expected a floating dtype, got int64", ValueError);
}
