#include "nn/loss.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {
const Tensor kLabels = Tensor::from<std::int64_t>({0, 1}, {2});
const double kE = std::exp(1.0);
}  // namespace

TEST_CASE("the loss is the mean of -log(probability of the label)") {
  Tensor logits = tensor_of({1, 0, 0, 0}, {2, 2}).set_requires_grad();
  const Tensor loss = CrossEntropyLoss()(logits, kLabels);
  CHECK(loss.shape().empty());
  CHECK(loss.item() == doctest::Approx((-std::log(kE / (kE + 1)) + std::log(2.0)) / 2));
  loss.backward();
  const double p = kE / (kE + 1);
  CHECK(all_close(logits.grad(), {(p - 1) / 2, (1 - p) / 2, 0.25, -0.25}, 1e-14));
}

TEST_CASE("label smoothing mixes in the uniform distribution") {
  const Tensor logits = tensor_of({1, 0, 0, 0}, {2, 2});
  const double p = kE / (kE + 1), log_p = std::log(p), log_q = std::log(1 - p);
  const double first = -(0.9 * log_p + 0.1 * log_q);
  CHECK(CrossEntropyLoss(0.2)(logits, kLabels).item() ==
        doctest::Approx((first + std::log(2.0)) / 2));
}

TEST_CASE("two labels with their shares are one mixed target, smoothing included") {
  Tensor logits = tensor_of({1, 0, -1, 0.5, 2, 0}, {2, 3}).set_requires_grad();
  const Tensor second = Tensor::from<std::int64_t>({2, 1}, {2});  // the second image has it twice
  const Tensor loss = CrossEntropyLoss(0.3)(logits, kLabels, second, 0.75);
  loss.backward();
  double expected = 0;
  std::vector<double> gradient;
  const std::vector<double> x = logits.detach().to_vector<double>();
  const std::vector<double> target = {0.7 * 0.75 + 0.1, 0.1, 0.7 * 0.25 + 0.1, 0.1, 0.8, 0.1};
  for (std::size_t row = 0; row < 6; row += 3) {
    const double sum = std::exp(x[row]) + std::exp(x[row + 1]) + std::exp(x[row + 2]);
    for (std::size_t i = row; i < row + 3; ++i) {
      expected -= target[i] * (x[i] - std::log(sum)) / 2;
      gradient.push_back((std::exp(x[i]) / sum - target[i]) / 2);
    }
  }
  CHECK(loss.item() == doctest::Approx(expected));
  CHECK(all_close(logits.grad(), gradient, 1e-14));
}

TEST_CASE("labels out of range and smoothing outside 0 to 1 are rejected") {
  const Tensor logits = Tensor::zeros({2, 2});
  CHECK_THROWS_AS(CrossEntropyLoss()(logits, Tensor::from<std::int64_t>({0, 2}, {2})), ValueError);
  CHECK_THROWS_AS(CrossEntropyLoss()(logits, Tensor::from<std::int64_t>({-1, 0}, {2})), ValueError);
  CHECK_THROWS_AS(CrossEntropyLoss(1.5)(logits, kLabels), ValueError);
}
