#include "nn/init.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/ops/shaping.h"
#include "core/random.h"
#include "nn/nn.h"
#include "tests/support/compare.h"
#include "tests/support/guards.h"
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

/// Channel c of a tensor [n, c, h, w].
Tensor channel_of(const Tensor& x, std::int64_t c) {
  return slice(x, 1, c, c + 1);
}

}  // namespace

TEST_CASE("the fan of convolutions and linear layers") {
  CHECK(init::fan_in(Tensor::empty({8, 4, 3, 5})) == 4 * 15);
  CHECK(init::fan_in(Tensor::empty({10, 64})) == 64);
  CHECK_THROWS_WITH_AS(init::fan_in(Tensor::empty({8})),
                       "init: weight: expected rank 2 or more, got [8]", ShapeError);
}

TEST_CASE("He normal has mean 0 and standard deviation sqrt(2 / fan)") {
  const double std = std::sqrt(2.0 / (128 * 9));
  const Statistics s = after(init::he_normal_fan_in_);
  CHECK(std::abs(s.mean) < 0.02 * std);
  CHECK(s.std == doctest::Approx(std).epsilon(0.015));
  CHECK(s.high > 3.5 * std);  // a normal tail, not a uniform edge
}

TEST_CASE("uniform weights fill the interval from -bound to bound") {
  const Statistics s = after([](Tensor weight) { init::uniform_(weight, 2); });
  CHECK(std::abs(s.mean) < 0.04);
  CHECK(s.std == doctest::Approx(2 / std::sqrt(3)).epsilon(0.01));
  CHECK(s.high < 2);
  CHECK(s.high > 1.998);
  CHECK(s.low >= -2);
  CHECK(s.low < -1.998);
}

TEST_CASE("weights are those of one sequence, for any number of threads") {
  for (const Shape& shape : {kShape, Shape{3, 5, 3, 3}}) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      std::vector<double> normal(static_cast<std::size_t>(numel(shape)));
      Random random(1, Purpose::init);
      for (double& value : normal) value = 0.5 * random.normal();
      const Tensor want = Tensor::from(normal, shape).to(dtype);
      for (const int threads : {1, 2, 3}) {
        const ThreadsGuard team(threads);
        const InitScope scope(1);
        const Tensor weight = Tensor::empty(shape, dtype);
        init::normal_(weight, 0.5);
        CHECK(bit_equal(weight, want));
      }
    }
  }
}

TEST_CASE("Dirac filters pass their channel on, the others stay as they are") {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1, DType::float32, MemoryFormat::channels_last);
  Conv2d conv(3, 5, 3, {.padding = 1, .bias = false});
  const std::vector<float> before = conv.weight().to_vector<float>();
  init::dirac_(conv.weight());
  const Tensor y = conv(x);
  for (std::int64_t c = 0; c < 3; ++c) {
    CHECK(all_close(channel_of(y, c), channel_of(x, c)));
  }
  const std::vector<float> after = conv.weight().to_vector<float>();
  CHECK(std::equal(before.begin() + 3 * 27, before.end(), after.begin() + 3 * 27));
  CHECK_FALSE(std::equal(before.begin(), before.end(), after.begin()));

  Conv2d narrow(4, 2, 1, {.bias = false});  // fewer filters than channels
  init::dirac_(narrow.weight());
  CHECK(all_close(narrow.weight(), {1, 0, 0, 0, 0, 1, 0, 0}));

  Conv2d grouped(4, 6, 3, {.padding = 1, .groups = 2, .bias = false});  // 2 -> 3 channels, twice
  init::dirac_(grouped.weight(), 2);
  const Tensor image = random_tensor({1, 4, 3, 3}, 2, DType::float32, MemoryFormat::channels_last);
  const Tensor out = grouped(image);
  const std::pair<std::int64_t, std::int64_t> passed[] = {{0, 0}, {1, 1}, {3, 2}, {4, 3}};
  for (const auto& [to, from] : passed) {
    CHECK(all_close(channel_of(out, to), channel_of(image, from)));
  }
}

TEST_CASE("Dirac filters keep the memory format, and need a middle and whole groups") {
  Tensor weight = Tensor::empty({2, 2, 3, 3}, DType::float64, MemoryFormat::channels_last);
  init::dirac_(weight);
  const std::vector<double> values = weight.to_vector<double>();
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == (i == 4 || i == 31));
  CHECK_THROWS_WITH_AS(init::dirac_(Tensor::ones({2, 2, 2, 3})),
                       "dirac_: weight: expected a kernel of odd size, got [2, 2, 2, 3]",
                       ValueError);
  CHECK_THROWS_WITH_AS(init::dirac_(Tensor::ones({4, 2, 3, 3}), 3),
                       "dirac_: groups: expected a divisor of the 4 filters, got 3", ValueError);
  CHECK_THROWS_WITH_AS(init::dirac_(Tensor::ones({4, 2})),
                       "dirac_: weight: expected rank 4, got [4, 2]", ShapeError);
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
    Tensor filters = Tensor::full({1, 1, 1, 2 + 1}, 7);
    init::dirac_(filters);
    CHECK(all_close(filters, {7, 7, 7}));
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
