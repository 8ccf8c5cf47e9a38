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

TEST_CASE("labels out of range and smoothing outside 0 to 1 are rejected") {
  const Tensor logits = Tensor::zeros({2, 2});
  CHECK_THROWS_AS(CrossEntropyLoss()(logits, Tensor::from<std::int64_t>({0, 2}, {2})), ValueError);
  CHECK_THROWS_AS(CrossEntropyLoss()(logits, Tensor::from<std::int64_t>({-1, 0}, {2})), ValueError);
  CHECK_THROWS_AS(CrossEntropyLoss(1.5)(logits, kLabels), ValueError);
}
