#include "nn/init.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "nn/nn.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;
using init::InitScope;

namespace {

struct Statistics {
  double mean = 0, std = 0, low = INFINITY, high = -INFINITY;
};

Statistics statistics_of(const Tensor& t) {
  Statistics s;
  const auto n = static_cast<double>(t.numel());
  const std::vector<double> values = t.to_vector<double>();
  for (double v : values) {
    s.mean += v / n;
    s.low = std::min(s.low, v);
    s.high = std::max(s.high, v);
  }
  for (double v : values) s.std += (v - s.mean) * (v - s.mean) / n;
  s.std = std::sqrt(s.std);
  return s;
}

// 73,728 elements: mean and standard deviation are known to 0.4 %.
const Shape kShape = {64, 128, 3, 3};

Statistics after(void (*initialise)(Tensor)) {
  const InitScope scope(1);
  const Tensor weight = Tensor::empty(kShape);
  initialise(weight);
  return statistics_of(weight);
}

}  // namespace

TEST_CASE("fans of convolutions and linear layers") {
  CHECK(init::fan_in(Tensor::empty({8, 4, 3, 5})) == 4 * 15);
  CHECK(init::fan_out(Tensor::empty({8, 4, 3, 5})) == 8 * 15);
  CHECK(init::fan_in(Tensor::empty({10, 64})) == 64);
  CHECK(init::fan_out(Tensor::empty({10, 64})) == 10);
  const Tensor bias = Tensor::empty({8});
  CHECK_THROWS_WITH_AS(init::fan_in(bias), "init: weight: expected rank 2 or more, got [8]",
                       ShapeError);
  CHECK_THROWS_AS(init::fan_out(bias), ShapeError);
}

TEST_CASE("He normal has mean 0 and standard deviation sqrt(2 / fan)") {
  const double in = std::sqrt(2.0 / (128 * 9)), out = std::sqrt(2.0 / (64 * 9));
  const Statistics by_in = after(init::he_normal_fan_in_), by_out = after(init::he_normal_fan_out_);
  CHECK(std::abs(by_in.mean) < 0.02 * in);
  CHECK(by_in.std == doctest::Approx(in).epsilon(0.015));
  CHECK(by_in.high > 3.5 * in);  // a normal tail, not a uniform edge
  CHECK(std::abs(by_out.mean) < 0.02 * out);
  CHECK(by_out.std == doctest::Approx(out).epsilon(0.015));
}

TEST_CASE("He uniform has the same standard deviation within +-sqrt(6 / fan)") {
  const double in = std::sqrt(6.0 / (128 * 9)), out = std::sqrt(6.0 / (64 * 9));
  for (const auto& [s, bound] : {std::pair{after(init::he_uniform_fan_in_), in},
                                 std::pair{after(init::he_uniform_fan_out_), out}}) {
    CHECK(std::abs(s.mean) < 0.02 * bound);
    CHECK(s.std == doctest::Approx(bound / std::sqrt(3)).epsilon(0.01));
    CHECK(s.high <= bound * (1 + 1e-7));
    CHECK(s.high > 0.999 * bound);
    CHECK(s.low >= -bound * (1 + 1e-7));
    CHECK(s.low < -0.999 * bound);
  }
}

TEST_CASE("weights are a function of the scope's seed and their number within it") {
  const auto draw = [](std::uint64_t seed) {
    const InitScope scope(seed);
    return Linear(5, 4).state_dict();
  };
  const auto a = draw(1), again = draw(1), other = draw(2);
  CHECK(bit_equal(a[0].tensor, again[0].tensor));
  CHECK(bit_equal(a[1].tensor, again[1].tensor));
  CHECK_FALSE(bit_equal(a[0].tensor, other[0].tensor));

  const InitScope scope(1);
  Tensor first = Tensor::empty({20}), second = Tensor::empty({20});
  init::normal_(first, 1);
  init::normal_(second, 1);
  CHECK_FALSE(bit_equal(first, second));
}

TEST_CASE("an inner scope neither sees nor disturbs the outer one") {
  const auto draw = [] {
    Tensor t = Tensor::empty({8});
    init::normal_(t, 1);
    return t;
  };
  std::vector<Tensor> plain;
  {
    const InitScope scope(1);
    plain = {draw(), draw()};
  }
  const InitScope scope(1);
  CHECK(bit_equal(draw(), plain[0]));
  {
    const InitScope inner(2);
    CHECK_FALSE(bit_equal(draw(), plain[0]));
    draw();
    const InitScope same(1);
    CHECK(bit_equal(draw(), plain[0]));
    const InitScope skipped(5, /*skip=*/true);
    draw();
  }
  CHECK(bit_equal(draw(), plain[1]));
}

TEST_CASE("a scope that skips leaves weights as they are") {
  Tensor weight = Tensor::full({4}, 7);
  {
    const InitScope scope(1, /*skip=*/true);
    init::normal_(weight, 1);
    init::uniform_(weight, 1);
  }
  CHECK(all_close(weight, {7, 7, 7, 7}));
  init::normal_(weight, 1);  // the end of the scope ends the skipping
  CHECK_FALSE(all_close(weight, {7, 7, 7, 7}));
}

TEST_CASE("values do not depend on the dtype") {
  Tensor single = Tensor::empty({50}), twice = Tensor::empty({50}, DType::float64);
  {
    const InitScope scope(3);
    init::normal_(single, 0.5);
  }
  {
    const InitScope scope(3);
    init::normal_(twice, 0.5);
  }
  CHECK(all_close(single, twice, 1e-7));
}

TEST_CASE("initialising marks the weight as changed, so that an old graph is not used silently") {
  Linear linear(3, 2);
  const Tensor y = linear(random_tensor({1, 3}, 1, DType::float32).set_requires_grad()).sum();
  init::normal_(linear.weight(), 1);
  CHECK_THROWS_AS(y.backward(), StateError);
}
