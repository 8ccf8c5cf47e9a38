#include "core/ops/matmul.h"

#include <doctest/doctest.h>

#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("matmul and its gradients by hand") {
  const Tensor a = tensor_of({1, 2, 3, 4, 5, 6}, {2, 3}).set_requires_grad();
  const Tensor b = tensor_of({1, 0, 0, 1, 1, 1}, {3, 2}).set_requires_grad();
  const Tensor y = matmul(a, b);
  CHECK(all_close(y, {4, 5, 10, 11}));
  y.backward(tensor_of({1, 0, 0, 2}, {2, 2}));
  CHECK(all_close(a.grad(), {1, 0, 1, 0, 2, 2}));
  CHECK(all_close(b.grad(), {1, 8, 2, 10, 3, 12}));
}

TEST_CASE("matmul and linear agree with three loops") {
  CHECK(rc::check("any sizes, also empty ones", [] {
    const std::int64_t m = pick(0, 9), k = pick(0, 9), n = pick(0, 9);
    const DType dtype = pick_dtype();
    const Tensor a = random_tensor({m, k}, pick_seed(), dtype);
    const Tensor b = random_tensor({k, n}, pick_seed(), dtype);
    const Tensor bias = random_tensor({n}, pick_seed(), dtype);
    const Array va = a, vb = b, vbias = bias;
    Array product({m, n}), affine({m, n});
    for_each_index(product.shape, [&](const Shape& i) {
      for (std::int64_t p = 0; p < k; ++p) product.at(i) += va.at({i[0], p}) * vb.at({p, i[1]});
      affine.at(i) = product.at(i) + vbias.at({i[1]});
    });
    expect(all_close(matmul(a, b), product, rounding(dtype)));
    const Array transposed = naive_permute(b, {1, 0});
    const Tensor weight = tensor_of(transposed.values, transposed.shape, dtype);
    expect(all_close(linear(a, weight), product, rounding(dtype)));
    expect(all_close(linear(a, weight, bias), affine, rounding(dtype)));
  }));
}

TEST_CASE("linear gives gradients to x, weight and bias") {
  const Tensor x = tensor_of({1, 2, 3, 4}, {2, 2}).set_requires_grad();
  const Tensor w = tensor_of({1, -1, 2, 0, 0, 1}, {3, 2}).set_requires_grad();
  const Tensor b = tensor_of({10, 20, 30}, {3}).set_requires_grad();
  const Tensor y = linear(x, w, b);
  CHECK(all_close(y, {9, 22, 32, 9, 26, 34}));
  y.backward(tensor_of({1, 0, 0, 0, 1, 1}, {2, 3}));
  CHECK(all_close(x.grad(), {1, -1, 2, 1}));
  CHECK(all_close(w.grad(), {1, 2, 3, 4, 3, 4}));
  CHECK(all_close(b.grad(), {1, 1, 1}));
}

TEST_CASE("linear without bias records two gradients only") {
  const Tensor x = random_tensor({2, 3}, 1), w = random_tensor({4, 3}, 2).set_requires_grad();
  linear(x, w).sum().backward();
  CHECK(w.grad().defined());
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("matmul rejects what does not fit") {
  const Tensor a = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(matmul(Tensor::zeros({2}), a), "matmul: a: expected rank 2, got shape [2]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(matmul(a, a), "matmul: b: expected [3, *], got [2, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(matmul(a, Tensor::zeros({3, 2}, DType::float64)),
                       "matmul: b: expected dtype float32, got float64", ValueError);
  CHECK_THROWS_WITH_AS(
      matmul(Tensor::zeros({2, 2}, DType::int64), Tensor::zeros({2, 2}, DType::int64)),
      "matmul: dtype: expected float32 or float64, got int64", ValueError);
}

TEST_CASE("linear rejects what does not fit") {
  const Tensor x = Tensor::zeros({2, 3}), w = Tensor::zeros({4, 3});
  CHECK_THROWS_WITH_AS(linear(Tensor::zeros({2, 3, 1}), w),
                       "linear: x: expected rank 2, got shape [2, 3, 1]", ShapeError);
  CHECK_THROWS_WITH_AS(linear(x, Tensor::zeros({4, 2})),
                       "linear: weight: expected [*, 3], got [4, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(linear(x, w, Tensor::zeros({3})), "linear: bias: expected [4], got [3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(linear(x, Tensor::zeros({4, 3}, DType::float64)),
                       "linear: weight: expected dtype float32, got float64", ValueError);
  CHECK_THROWS_WITH_AS(linear(x, w, Tensor::zeros({4}, DType::float64)),
                       "linear: bias: expected dtype float32, got float64", ValueError);
}

TEST_CASE("sizes that BLAS cannot take are errors") {
  constexpr std::int64_t kTooMany = std::int64_t{1} << 31;
  CHECK_THROWS_WITH_AS(
      matmul(Tensor::zeros({1, 0}), Tensor::zeros({0, kTooMany})),
      "matmul: expected sizes of at most 2147483647, got [1, 0] and [0, 2147483648]", ShapeError);
  CHECK_THROWS_AS(linear(Tensor::zeros({0, kTooMany}), Tensor::zeros({0, kTooMany})), ShapeError);
}
