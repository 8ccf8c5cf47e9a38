// Updates against the formula in float64, and numbers worked out in the comments. PyTorch's own are
// in tests/models/golden_test.cpp.
#include "train/optim/adamw.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace resgrad {
namespace {

using testing::all_close;
using testing::random_tensor;

// Loshchilov & Hutter's algorithm 2, an element at a time, as its lines stand.
struct NaiveAdamw {
  AdamwOptions o;
  std::vector<double> w, m, v;
  int t = 0;

  NaiveAdamw(AdamwOptions options, std::vector<double> weights)
      : o(options), w(std::move(weights)), m(w.size(), 0), v(w.size(), 0) {}

  void step(const std::vector<double>& g, double weight_decay) {
    ++t;
    for (std::size_t i = 0; i < w.size(); ++i) {
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g[i];
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g[i] * g[i];
      const double mean = m[i] / (1 - std::pow(o.beta1, t));
      const double square = v[i] / (1 - std::pow(o.beta2, t));
      const double decay = o.lr * weight_decay * w[i];
      w[i] -= o.lr * mean / (std::sqrt(square) + o.eps) + decay;
    }
  }
};

TEST_CASE("adamw follows the algorithm over many steps, as lr and beta1 change") {
  for (const DType dtype : {DType::float64, DType::float32}) {
    CAPTURE(name(dtype));
    AdamwOptions options{.lr = 0.01, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1};
    Tensor w = random_tensor({37}, 1, dtype), b = random_tensor({5}, 2, dtype);
    w.set_requires_grad();
    b.set_requires_grad();
    NaiveAdamw naive_w(options, w.to_vector<double>()), naive_b(options, b.to_vector<double>());
    Adamw adamw(std::vector<ParameterGroup>{{.parameters = {{"w", w}}},
                                            {.parameters = {{"b", b}}, .weight_decay = 0}},
                options);
    for (int step = 0; step < 20; ++step) {
      options.lr = 0.01 + 0.002 * step;
      options.beta1 = 0.9 - 0.01 * step;
      naive_w.o = naive_b.o = options;
      adamw.set_lr(options.lr);
      adamw.set_momentum(options.beta1);
      const auto seed = static_cast<std::uint64_t>(10 + step);
      w.set_grad(random_tensor({37}, seed, dtype));
      naive_w.step(w.grad().to_vector<double>(), options.weight_decay);
      b.zero_grad();
      if (step % 3 != 1) {  // t counts the updates of each parameter
        b.set_grad(random_tensor({5}, seed + 100, dtype));
        naive_b.step(b.grad().to_vector<double>(), 0);
      }
      adamw.step();
    }
    const double tolerance = dtype == DType::float64 ? 1e-13 : 1e-5;
    CHECK(all_close(w, naive_w.w, tolerance));
    CHECK(all_close(b, naive_b.w, tolerance));
  }
}

// m / (1 - beta1) = g and v / (1 - beta2) = g^2 at first: the step is lr * g / (|g| + eps), here
// 0.1 * 3 / (3 + 1); the decay takes off 0.1 * 0.5 of the weight 2: 2 - 0.075 - 0.1 = 1.825.
TEST_CASE("the first step of adamw matches the numbers worked out by hand") {
  Tensor w = Tensor::full({1}, 2, DType::float64);
  w.set_requires_grad();
  w.set_grad(Tensor::full({1}, 3, DType::float64));
  Adamw adamw({NamedTensor{"w", w}}, {.lr = 0.1, .eps = 1, .weight_decay = 0.5});
  adamw.step();
  CHECK(all_close(w, {1.825}, 1e-14));
  const std::vector<NamedTensor> state = adamw.state();
  REQUIRE_EQ(state.size(), 3);
  CHECK_EQ(state[0].name, "w.exp_avg");
  CHECK(all_close(state[0].tensor, {0.3}, 1e-14));
  CHECK_EQ(state[1].name, "w.exp_avg_sq");
  CHECK(all_close(state[1].tensor, {0.009}, 1e-14));
  CHECK_EQ(state[2].name, "w.step");
  CHECK_EQ(state[2].tensor.to_vector<std::int64_t>(), std::vector<std::int64_t>{1});
}

TEST_CASE("a gradient of zero moves nothing but by the decay") {
  Tensor w = Tensor::ones({3});
  w.set_requires_grad();
  w.set_grad(Tensor::zeros({3}));
  Adamw({NamedTensor{"w", w}}, {.lr = 0.5, .weight_decay = 0.5}).step();
  CHECK(all_close(w, {0.75, 0.75, 0.75}));
}

TEST_CASE("adamw rejects options out of range") {
  Tensor w = Tensor::ones({1});
  w.set_requires_grad();
  const std::vector<NamedTensor> p{{"w", w}};
  CHECK_THROWS_WITH_AS(Adamw(p, {.lr = -1}),
                       "adamw: lr: expected a finite number of at least 0, got -1", ValueError);
  CHECK_THROWS_WITH_AS(Adamw(p, {.beta1 = 1}), "adamw: beta1: expected a number in [0, 1), got 1",
                       ValueError);
  CHECK_THROWS_AS(Adamw(p, {.beta1 = -0.1}), ValueError);
  CHECK_THROWS_AS(Adamw(p, {.beta1 = NAN}), ValueError);
  CHECK_THROWS_AS(Adamw(p, {.beta2 = 1}), ValueError);
  CHECK_THROWS_WITH_AS(Adamw(p, {.eps = 0}), "adamw: eps: expected a finite number above 0, got 0",
                       ValueError);
  CHECK_THROWS_AS(Adamw(p, {.eps = INFINITY}), ValueError);
  CHECK_THROWS_AS(Adamw(p, {.weight_decay = -0.1}), ValueError);
  Adamw adamw(p);
  CHECK_THROWS_AS(adamw.set_momentum(1), ValueError);
  adamw.set_momentum(0);
}

}  // namespace
}  // namespace resgrad
