#include "core/ops/pool.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

kernels::Pool2dDims dims_of(const Tensor& x, const Pool2dOptions& o) {
  const Pair2d stride = o.stride.value_or(o.kernel);
  return {x.dim(0),   x.dim(1), x.dim(2), x.dim(3),    o.kernel.h,
          o.kernel.w, stride.h, stride.w, o.padding.h, o.padding.w};
}

}  // namespace

TEST_CASE("pooling and its gradients agree with the naive loops") {
  CHECK(rc::check("all sizes, formats and dtypes", [] {
    const Pair2d kernel(pick(1, 4), pick(1, 4));
    Pool2dOptions options{.kernel = kernel,
                          .padding = {pick(0, kernel.h / 2), pick(0, kernel.w / 2)}};
    if (pick_bool()) options.stride = Pair2d(pick(1, 3), pick(1, 3));
    const Shape shape{pick(1, 3), pick(1, 5), pick(kernel.h, 9), pick(kernel.w, 9)};
    const DType dtype = pick_dtype();
    const Tensor x = distinct_tensor(shape, pick_seed(), dtype, pick_format()).set_requires_grad();
    const Tensor z = x.detach().set_requires_grad();
    const kernels::Pool2dDims d = dims_of(x, options);
    const Tensor top = max_pool2d(x, options), average = avg_pool2d(z, options);
    RC_ASSERT(top.memory_format() == x.memory_format());
    RC_ASSERT(average.memory_format() == x.memory_format());
    expect(all_close(top, naive_max_pool(x, d)));
    expect(all_close(average, naive_avg_pool(x, d), rounding(dtype)));
    const Tensor dy = random_tensor(top.shape(), pick_seed(), dtype, pick_format());
    top.backward(dy);
    average.backward(dy);
    expect(all_close(x.grad(), naive_max_pool_backward(dy, x, d), rounding(dtype)));
    expect(all_close(z.grad(), naive_avg_pool_backward(dy, d), rounding(dtype)));
  }));
}

TEST_CASE("max pooling passes NaN on") {
  const Tensor x = tensor_of({1, NAN, 3, 4, 5, 6, 7, 8}, {1, 1, 2, 4});
  CHECK(all_close(max_pool2d(x, {}), {NAN, 8}));
}

TEST_CASE("the gradient of max pooling goes to the first maximum, also in overlapping windows") {
  const Tensor x = tensor_of({2, 2, 1, 5}, {1, 1, 1, 4}).set_requires_grad();
  max_pool2d(x, {.kernel = {1, 2}, .stride = Pair2d(1)})
      .backward(tensor_of({1, 10, 100}, {1, 1, 1, 3}));
  CHECK(all_close(x.grad(), {1, 10, 0, 100}));
}

TEST_CASE("global average pooling is the mean over positions") {
  const Tensor x = random_tensor({2, 3, 3, 5}, 1).set_requires_grad();
  const Tensor y = global_avg_pool2d(x);
  CHECK(y.shape() == Shape{2, 3, 1, 1});
  Array want =
      naive_reduce(x, {false, false, true, true}, 0, [](double a, double b) { return a + b; });
  for (double& v : want.values) v /= 15;
  CHECK(all_close(y, want, 1e-14));
  y.sum().backward();
  CHECK(all_close(x.grad(), Tensor::full({2, 3, 3, 5}, 1.0 / 15, DType::float64), 1e-15));
}

TEST_CASE("the mean of ones is one, however many") {
  for (const std::int64_t size : {224, 3000}) {
    CAPTURE(size);
    CHECK(global_avg_pool2d(Tensor::ones({1, 1, size, size})).item() == 1);
  }
}

TEST_CASE("a batch of nothing pools to nothing") {
  const Tensor x = Tensor::zeros({0, 3, 4, 4}).set_requires_grad();
  const Tensor y = max_pool2d(x, {});
  CHECK(y.shape() == Shape{0, 3, 2, 2});
  y.sum().backward();
  CHECK(x.grad().shape() == Shape{0, 3, 4, 4});
  CHECK(global_avg_pool2d(x).shape() == Shape{0, 3, 1, 1});
}

TEST_CASE("pooling rejects what does not fit") {
  const Tensor x = Tensor::zeros({1, 2, 4, 5});
  CHECK_THROWS_WITH_AS(max_pool2d(Tensor::zeros({4, 5}), {}),
                       "max_pool2d: x: expected rank 4, got shape [4, 5]", ShapeError);
  CHECK_THROWS_WITH_AS(max_pool2d(Tensor::zeros({1, 2, 4, 5}, DType::int64), {}),
                       "max_pool2d: x: expected a floating dtype, got int64", ValueError);
  CHECK_THROWS_WITH_AS(avg_pool2d(x, {.kernel = {0, 2}}),
                       "avg_pool2d: kernel: expected 1 to 2147483647, got (0, 2)", ValueError);
  CHECK_THROWS_AS(avg_pool2d(x, {.stride = Pair2d(0)}), ValueError);
  CHECK_THROWS_WITH_AS(max_pool2d(x, {.kernel = 3, .padding = {2, 0}}),
                       "max_pool2d: padding: expected 0 to half the kernel (3, 3), got (2, 0)",
                       ValueError);
  CHECK_THROWS_AS(max_pool2d(x, {.padding = -1}), ValueError);
  CHECK_THROWS_WITH_AS(max_pool2d(x, {.kernel = {5, 5}}),
                       "max_pool2d: x: expected height and width of at least the kernel (5, 5), "
                       "got [1, 2, 4, 5]",
                       ShapeError);
  CHECK_THROWS_AS(global_avg_pool2d(Tensor::zeros({2, 3})), ShapeError);
}

TEST_CASE("an image without pixels has no maximum, even with padding") {
  CHECK_THROWS_WITH_AS(max_pool2d(Tensor::zeros({1, 1, 0, 4}), {.kernel = 2, .padding = 1}),
                       "max_pool2d: x: expected height and width of at least 1, got [1, 1, 0, 4]",
                       ShapeError);
  CHECK_THROWS(global_avg_pool2d(Tensor::zeros({1, 1, 0, 4})));
}

TEST_CASE("a window has no more places than an index of 32 bits") {
  const Tensor x = Tensor::ones({1, 1, 5, 1});
  const std::int64_t wide = std::int64_t{1} << 30;
  CHECK_THROWS_AS(max_pool2d(x, {.kernel = {5, wide}, .padding = {0, wide / 2}}), ValueError);
}
