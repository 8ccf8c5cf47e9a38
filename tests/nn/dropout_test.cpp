// Dropout and StochasticDepth of nn/layers.h.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "nn/init.h"
#include "nn/layers.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {
constexpr std::int64_t kCount = 100'000;
const Tensor kOnes = Tensor::ones({kCount});
}  // namespace

TEST_CASE("in training a fraction p is zero and the rest is scaled by 1 / (1 - p)") {
  for (const double p : {0.1, 0.5, 0.9}) {
    CAPTURE(p);
    Dropout dropout(p, 1);
    const std::vector<double> y = dropout(kOnes).to_vector<double>();
    const auto kept = static_cast<double>(kCount - std::ranges::count(y, 0.0));
    const double sigma = std::sqrt(p * (1 - p) * kCount);
    CHECK(std::abs(kept - (1 - p) * kCount) < 4 * sigma);
    for (double v : y) {
      if (v != 0) REQUIRE(v == doctest::Approx(1 / (1 - p)));
    }
  }
}

TEST_CASE("in evaluation and for p = 0 it returns its input") {
  Dropout dropout(0.5);
  dropout.eval();
  CHECK(dropout(kOnes).is_same(kOnes));
  Dropout nothing(0);
  CHECK(nothing(kOnes).is_same(kOnes));
}

TEST_CASE("the mask is a function of the seed and the number of the call") {
  Dropout a(0.5, 1), b(0.5, 1), other(0.5, 2);
  const Tensor first = a(kOnes), second = a(kOnes);
  CHECK(bit_equal(b(kOnes), first));
  CHECK(bit_equal(b(kOnes), second));
  CHECK_FALSE(bit_equal(first, second));
  CHECK_FALSE(bit_equal(other(kOnes), first));
}

TEST_CASE("layers without a seed of their own share no mask, and repeat with their InitScope") {
  const auto masks = [](std::uint64_t seed, bool skip) {
    const init::InitScope scope(seed, skip);
    Dropout a(0.5), b(0.5);
    return std::pair{a(kOnes), b(kOnes)};
  };
  const auto [a, b] = masks(1, false);
  const std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  std::int64_t equal = 0;
  for (std::size_t i = 0; i < x.size(); ++i) equal += x[i] == y[i];
  CHECK(std::abs(equal - kCount / 2) < 4 * std::sqrt(kCount / 4.0));
  CHECK(bit_equal(masks(1, false).second, b));
  CHECK(bit_equal(masks(1, true).second, b));  // a network whose weights are loaded drops alike
  CHECK_FALSE(bit_equal(masks(2, false).first, a));
  Dropout first(0.5), second(0.5);  // without a scope
  CHECK_FALSE(bit_equal(first(kOnes), second(kOnes)));
}

TEST_CASE("the state dict says how the masks go on") {
  Dropout a(0.5), b(0.5);
  a(kOnes);
  b.load_state_dict(a.state_dict());
  CHECK(a.state_dict()[0].name == "random_state");
  CHECK(bit_equal(a(kOnes), b(kOnes)));
}

TEST_CASE("calls in evaluation do not count") {
  Dropout a(0.5, 1), b(0.5, 1);
  a(kOnes);
  b(kOnes);
  a.eval();
  a(kOnes);
  a.train();
  CHECK(bit_equal(a(kOnes), b(kOnes)));
}

TEST_CASE("the gradient passes through the kept elements, scaled") {
  Dropout dropout(0.25, 3);
  Tensor x = random_tensor({50}, 1, DType::float64, MemoryFormat::contiguous, 1, 2);
  x.set_requires_grad();
  const Tensor y = dropout(x);
  y.sum().backward();
  std::vector<double> want = y.to_vector<double>();
  for (double& v : want) v = v == 0 ? 0 : 4.0 / 3;
  CHECK(all_close(x.grad(), want, 1e-15));
}

TEST_CASE("p below 0 or from 1 on is rejected") {
  CHECK_THROWS_WITH_AS(Dropout(1), "Dropout: p: expected 0 <= p < 1, got 1", ValueError);
  CHECK_THROWS_WITH_AS(Dropout(-0.5), "Dropout: p: expected 0 <= p < 1, got -0.5", ValueError);
  CHECK_THROWS_AS(Dropout(NAN), ValueError);
}

TEST_CASE("stochastic depth leaves out samples in training, and nothing in evaluation") {
  const Tensor x = Tensor::ones({1000, 3});
  StochasticDepth layer(0.25, 1), same(0.25, 1);
  const Tensor first = layer(x), second = layer(x);
  const std::vector<double> y = first.to_vector<double>();
  for (std::size_t i = 0; i < y.size(); ++i) {
    REQUIRE(y[i] == y[i / 3 * 3]);
    REQUIRE((y[i] == 0 || y[i] == doctest::Approx(4.0 / 3)));
  }
  CHECK(std::abs(first.mean().item() - 1) < 4 * std::sqrt(0.25 / 0.75 / 1000));
  CHECK_FALSE(bit_equal(first, second));
  CHECK(bit_equal(same(x), first));
  layer.eval();
  CHECK(layer(x).is_same(x));
  layer.train();
  same.load_state_dict(layer.state_dict());  // goes on where the other is
  CHECK(DropLayer::is_random_state(layer.state_dict()[0].name));
  CHECK(bit_equal(same(x), layer(x)));
  CHECK_THROWS_WITH_AS(StochasticDepth(1), "StochasticDepth: p: expected 0 <= p < 1, got 1",
                       ValueError);
}
