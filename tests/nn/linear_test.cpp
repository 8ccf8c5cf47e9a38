#include "nn/linear.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "nn/init.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("y = x w' + b") {
  Linear linear(2, 3);
  linear.load_state_dict({{"weight", tensor_of({1, 2, 3, 4, 5, 6}, {3, 2}, DType::float32)},
                          {"bias", tensor_of({10, 20, 30}, {3}, DType::float32)}});
  const Tensor x = tensor_of({1, 1, 1, -1}, {2, 2}, DType::float32);
  CHECK(all_close(linear(x), {13, 27, 41, 9, 19, 29}));
}

TEST_CASE("gradients reach the input, the weight and the bias") {
  Linear linear(2, 1);
  Tensor x = tensor_of({1, 2, 3, 4}, {2, 2}, DType::float32).set_requires_grad();
  linear(x).sum().backward();
  CHECK(all_close(linear.weight().grad(), {4, 6}));
  CHECK(all_close(linear.bias().grad(), {2}));
  const std::vector<double> w = linear.weight().to_vector<double>();
  CHECK(all_close(x.grad(), {w[0], w[1], w[0], w[1]}));
}

TEST_CASE("initial weight and bias are uniform within 1 / sqrt(in_features)") {
  const init::InitScope scope(1);
  const Linear linear(100, 50);
  for (const Tensor& t : {linear.weight(), linear.bias()}) {
    const std::vector<double> values = t.to_vector<double>();
    const auto [low, high] = std::ranges::minmax_element(values);
    CHECK(*low >= -0.1 - 1e-8);  // 0.1 itself is rounded to float
    CHECK(*high <= 0.1 + 1e-8);
    CHECK(*low < -0.08);
    CHECK(*high > 0.08);
  }
}

TEST_CASE("features below 1 and an input of other features are rejected") {
  CHECK_THROWS_WITH_AS(Linear(0, 3), "Linear: features: expected at least 1, got in=0 and out=3",
                       ValueError);
  CHECK_THROWS_WITH_AS(Linear(3, -1), "Linear: features: expected at least 1, got in=3 and out=-1",
                       ValueError);
  Linear linear(2, 1);
  CHECK_THROWS_AS(linear(Tensor::ones({1, 3})), ShapeError);
}
