#include "core/ops/dropout.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd/node.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("dropout keeps 1 - p of the elements and the mean") {
  Random random(1, Purpose::dropout);
  const Tensor y = dropout(Tensor::ones({10000}, DType::float64), 0.3, random);
  int dropped = 0;
  double sum = 0;
  for (double v : y.to_vector<double>()) {
    CHECK((v == 0 || v == 1 / 0.7));
    dropped += v == 0;
    sum += v;
  }
  CHECK(std::abs(dropped - 3000) < 150);
  CHECK(std::abs(sum / 10000 - 1) < 0.02);
}

TEST_CASE("the gradient of dropout uses the mask of the forward pass") {
  Random random(1, Purpose::dropout);
  const Tensor x = Tensor::ones({100}).set_requires_grad();
  const Tensor y = dropout(x, 0.5, random);
  y.backward(Tensor::ones({100}));
  CHECK(all_close(x.grad(), y));
}

TEST_CASE("dropout keeps its mask for backward, and nothing else") {
  Random random(1, Purpose::dropout);
  const Tensor y = dropout(Tensor::ones({100}).set_requires_grad(), 0.5, random);
  CHECK(y.grad_fn()->saved_bytes() == 400);
}

TEST_CASE("dropout repeats with its key and changes with it") {
  const Tensor x = Tensor::ones({100});
  const auto run = [&](std::uint32_t epoch) {
    Random random(1, Purpose::dropout, epoch);
    return dropout(x, 0.5, random);
  };
  CHECK(bit_equal(run(3), run(3)));
  CHECK_FALSE(bit_equal(run(3), run(4)));
}

TEST_CASE("dropout with p = 0 is the identity") {
  Random random(1, Purpose::dropout);
  const Tensor x = random_tensor({10}, 1);
  CHECK(bit_equal(dropout(x, 0, random), x));
}

TEST_CASE("dropout rejects p below 0 or not below 1, and labels") {
  Random random(1, Purpose::dropout);
  CHECK_THROWS_WITH_AS(dropout(Tensor::ones({1}), 1, random),
                       "dropout: p: expected 0 <= p < 1, got 1", ValueError);
  CHECK_THROWS_WITH_AS(dropout(Tensor::ones({1}), -0.5, random),
                       "dropout: p: expected 0 <= p < 1, got -0.5", ValueError);
  CHECK_THROWS_AS(dropout(Tensor::ones({1}), NAN, random), ValueError);
  CHECK_THROWS_WITH_AS(dropout(Tensor::ones({1}, DType::int64), 0.5, random),
                       "dropout: x: expected a floating dtype, got int64", ValueError);
}
