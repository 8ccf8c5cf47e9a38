#include "core/ops/cross_entropy.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

Tensor labels_of(const std::vector<std::int64_t>& labels) {
  return Tensor::from(labels, {static_cast<std::int64_t>(labels.size())});
}

}  // namespace

TEST_CASE("cross entropy of equal logits is log of the number of classes") {
  const Tensor logits = Tensor::zeros({3, 10}, DType::float64);
  CHECK(cross_entropy(logits, labels_of({0, 5, 9})).item() == doctest::Approx(std::log(10)));
  CHECK(cross_entropy(logits, labels_of({0, 5, 9}), 0.1).item() == doctest::Approx(std::log(10)));
  CHECK(cross_entropy(logits, labels_of({0, 5, 9})).rank() == 0);
}

// Logits (log 1, log 2, log 5) have probabilities 1/8, 2/8, 5/8. With smoothing 0.3 and label 2,
// t = (0.1, 0.1, 0.8): loss = -(0.1 log 1/8 + 0.1 log 2/8 + 0.8 log 5/8), gradient = p - t.
TEST_CASE("label smoothing by hand") {
  const Tensor logits = tensor_of({0, std::log(2), std::log(5)}, {1, 3}).set_requires_grad();
  const Tensor loss = cross_entropy(logits, labels_of({2}), 0.3);
  const double want = -(0.1 * std::log(0.125) + 0.1 * std::log(0.25) + 0.8 * std::log(0.625));
  CHECK(loss.item() == doctest::Approx(want).epsilon(1e-14));
  loss.backward();
  CHECK(all_close(logits.grad(), {0.025, 0.15, -0.175}, 1e-14));
}

TEST_CASE("cross entropy and its gradient agree with the formula") {
  CHECK(rc::check("all sizes, labels and smoothings", [] {
    const std::int64_t n = pick(1, 6), c = pick(1, 12);
    const DType dtype = pick_dtype();
    const double smoothing = static_cast<double>(pick(0, 10)) / 10;
    const Tensor logits = random_tensor({n, c}, pick_seed(), dtype, MemoryFormat::contiguous, -4, 4)
                              .set_requires_grad();
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < n; ++i) labels.push_back(pick(0, c - 1));
    const Tensor loss = cross_entropy(logits, labels_of(labels), smoothing);
    loss.backward(Tensor::scalar(3, dtype));
    const Array log_p = naive_log_softmax(logits);
    double want = 0;
    Array grad(log_p.shape);
    for_each_index(log_p.shape, [&](const Shape& i) {
      const bool hit = labels[static_cast<std::size_t>(i[0])] == i[1];
      const double t = (hit ? 1 - smoothing : 0) + smoothing / static_cast<double>(c);
      want -= t * log_p.at(i) / static_cast<double>(n);
      grad.at(i) = 3 * (std::exp(log_p.at(i)) - t) / static_cast<double>(n);
    });
    expect(all_close(loss, std::vector<double>{want}, rounding(dtype)));
    expect(all_close(logits.grad(), grad, rounding(dtype)));
  }));
}

TEST_CASE("log_softmax agrees with its formula and its rows sum to one") {
  CHECK(rc::check("all sizes", [] {
    const DType dtype = pick_dtype();
    const Tensor x = random_tensor({pick(0, 6), pick(1, 12)}, pick_seed(), dtype,
                                   MemoryFormat::contiguous, -9, 9);
    expect(all_close(log_softmax(x), naive_log_softmax(x), rounding(dtype)));
  }));
}

TEST_CASE("log_softmax does not change when a constant is added, up to the input's rounding") {
  const Tensor a = tensor_of({1, 2, 4}, {1, 3}, DType::float32);
  const Tensor b = tensor_of({10001, 10002, 10004}, {1, 3}, DType::float32);
  CHECK(all_close(log_softmax(b), log_softmax(a), 1e-6));
}

TEST_CASE("huge logits give finite losses and gradients") {
  const Tensor logits = tensor_of({1e4, -1e4, 0}, {1, 3}, DType::float32).set_requires_grad();
  const Tensor loss = cross_entropy(logits, labels_of({1}), 0.1);
  loss.backward();
  CHECK(std::isfinite(loss.item()));
  for (float g : logits.grad().to_vector<float>()) CHECK(std::isfinite(g));
}

TEST_CASE("NaN logits give a NaN loss") {
  CHECK(std::isnan(cross_entropy(tensor_of({NAN, 1}, {1, 2}), labels_of({1})).item()));
}

TEST_CASE("labels that change before backward are noticed") {
  Tensor labels = labels_of({0, 1});
  const Tensor logits = random_tensor({2, 3}, 1).set_requires_grad();
  const Tensor loss = cross_entropy(logits, labels);
  labels.fill_(2);
  CHECK_THROWS_AS(loss.backward(), StateError);
}

TEST_CASE("cross entropy rejects what does not fit") {
  const Tensor logits = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(cross_entropy(Tensor::zeros({6}), labels_of({0})),
                       "cross_entropy: logits: expected rank 2, got shape [6]", ShapeError);
  CHECK_THROWS_WITH_AS(cross_entropy(logits, labels_of({0})),
                       "cross_entropy: labels: expected [2], got [1]", ShapeError);
  CHECK_THROWS_WITH_AS(cross_entropy(Tensor::zeros({0, 3}), labels_of({})),
                       "cross_entropy: logits: expected at least one row, got [0, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(cross_entropy(Tensor::zeros({2, 0}), labels_of({0, 0})),
                       "cross_entropy: logits: expected at least one class, got [2, 0]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(cross_entropy(logits, Tensor::zeros({2})),
                       "cross_entropy: labels: expected dtype int64, got float32", ValueError);
  CHECK_THROWS_WITH_AS(cross_entropy(logits, labels_of({0, 3})),
                       "cross_entropy: labels: expected values in [0, 3), got 3 at 1", ValueError);
  CHECK_THROWS_WITH_AS(cross_entropy(logits, labels_of({-1, 0})),
                       "cross_entropy: labels: expected values in [0, 3), got -1 at 0", ValueError);
  CHECK_THROWS_WITH_AS(cross_entropy(logits, labels_of({0, 1}), 1.5),
                       "cross_entropy: label_smoothing: expected 0 to 1, got 1.5", ValueError);
  CHECK_THROWS_AS(cross_entropy(logits, labels_of({0, 1}), NAN), ValueError);
  CHECK_THROWS_WITH_AS(log_softmax(Tensor::zeros({3})),
                       "log_softmax: x: expected rank 2, got shape [3]", ShapeError);
  CHECK_THROWS_WITH_AS(log_softmax(Tensor::zeros({2, 3}, DType::int64)),
                       "log_softmax: x: expected a floating dtype, got int64", ValueError);
}
