#include "core/ops/stochastic_depth.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd/node.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("stochastic depth keeps whole samples, a share 1 - p of them, and the expected value") {
  constexpr std::int64_t kSamples = 20000, kRow = 6;
  for (const double p : {0.1, 0.5, 0.8}) {
    CAPTURE(p);
    Random random(1, Purpose::dropout);
    const Tensor y = stochastic_depth(Tensor::ones({kSamples, 3, 1, 2}, DType::float64), p, random);
    CHECK(y.shape() == Shape{kSamples, 3, 1, 2});
    const std::vector<double> values = y.to_vector<double>();
    double kept = 0, sum = 0;
    for (std::int64_t i = 0; i < kSamples; ++i) {
      const double first = values[static_cast<std::size_t>(i * kRow)];
      REQUIRE((first == 0 || first == 1 / (1 - p)));
      for (std::int64_t j = 0; j < kRow; ++j) {
        REQUIRE(values[static_cast<std::size_t>(i * kRow + j)] == first);
      }
      kept += first != 0;
      sum += first;
    }
    CHECK(std::abs(kept - (1 - p) * kSamples) < 4 * std::sqrt(p * (1 - p) * kSamples));
    // the mean of the masks has the deviation sqrt(p / (1 - p) / n) around 1
    CHECK(std::abs(sum / kSamples - 1) < 4 * std::sqrt(p / (1 - p) / kSamples));
  }
}

TEST_CASE("a sample is kept or left out in either memory format, and the gradient follows") {
  for (const MemoryFormat format : {MemoryFormat::contiguous, MemoryFormat::channels_last}) {
    Random random(2, Purpose::dropout);
    Tensor x = random_tensor({7, 3, 2, 5}, 1, DType::float32, format, 1, 2);
    x.set_requires_grad();
    const Tensor y = stochastic_depth(x, 0.5, random);
    CHECK(y.memory_format() == format);
    y.backward(Tensor::ones(x.shape()));
    int kept = 0;
    const auto in = x.to_vector<float>(), out = y.to_vector<float>(),
               gradient = x.grad().to_vector<float>();
    for (std::size_t i = 0; i < 7; ++i) {
      const bool keep = out[i * 30] != 0;
      kept += keep;
      for (std::size_t j = i * 30; j < (i + 1) * 30; ++j) {
        REQUIRE(out[j] == (keep ? 2 * in[j] : 0));
        REQUIRE(gradient[j] == (keep ? 2 : 0));
      }
    }
    CHECK(kept > 0);
    CHECK(kept < 7);
  }
}

TEST_CASE("stochastic depth repeats with its key, and with p = 0 is the identity") {
  const Tensor x = random_tensor({100, 2}, 1);
  const auto run = [&](std::uint32_t epoch, double p) {
    Random random(1, Purpose::dropout, epoch);
    return stochastic_depth(x, p, random);
  };
  CHECK(bit_equal(run(3, 0.5), run(3, 0.5)));
  CHECK_FALSE(bit_equal(run(3, 0.5), run(4, 0.5)));
  CHECK(bit_equal(run(3, 0), x));
}

TEST_CASE("stochastic depth rejects p below 0 or not below 1, labels and scalars") {
  Random random(1, Purpose::dropout);
  const Tensor x = Tensor::ones({2, 2});
  CHECK_THROWS_WITH_AS(stochastic_depth(x, 1, random),
                       "stochastic_depth: p: expected 0 <= p < 1, got 1", ValueError);
  CHECK_THROWS_AS(stochastic_depth(x, -0.1, random), ValueError);
  CHECK_THROWS_AS(stochastic_depth(x, NAN, random), ValueError);
  CHECK_THROWS_WITH_AS(stochastic_depth(Tensor::ones({1}, DType::int64), 0.5, random),
                       "stochastic_depth: x: expected a floating dtype, got int64", ValueError);
  CHECK_THROWS_WITH_AS(stochastic_depth(Tensor::scalar(1), 0.5, random),
                       "stochastic_depth: x: expected rank 1 or more, got []", ShapeError);
}

TEST_CASE("stochastic depth keeps its mask alone") {
  Random random(1, Purpose::dropout);
  const Tensor y = stochastic_depth(Tensor::ones({5, 3, 4}).set_requires_grad(), 0.5, random);
  CHECK(y.grad_fn()->saved_bytes() == 5 * 4);
}
