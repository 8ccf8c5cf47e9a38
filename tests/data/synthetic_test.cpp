#include "data/synthetic.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

constexpr int kInputs = 3 * 32 * 32, kClasses = 10;

std::vector<float> features(const Dataset& d, std::int64_t i) {
  std::vector<float> x(kInputs);
  std::transform(d.image(i), d.image(i) + kInputs, x.begin(), [](std::uint8_t level) {
    return (static_cast<float>(level) / 255 - 0.5f) / 0.25f;
  });
  return x;
}

// Softmax regression on the pixels, by plain stochastic gradient descent.
struct LinearModel {
  std::vector<float> w = std::vector<float>(kClasses * kInputs, 0.0f);

  std::array<float, kClasses> scores(const std::vector<float>& x) const {
    std::array<float, kClasses> s{};
    for (std::size_t c = 0; c < kClasses; ++c) {
      for (std::size_t i = 0; i < kInputs; ++i) s[c] += w[c * kInputs + i] * x[i];
    }
    return s;
  }

  void learn(const std::vector<float>& x, std::size_t label, float lr) {
    auto s = scores(x);
    const float top = *std::ranges::max_element(s);
    float sum = 0;
    for (float& v : s) sum += v = std::exp(v - top);
    for (std::size_t c = 0; c < kClasses; ++c) {
      const float g = s[c] / sum - (c == label ? 1.0f : 0.0f);
      for (std::size_t i = 0; i < kInputs; ++i) w[c * kInputs + i] -= lr * g * x[i];
    }
  }

  double accuracy(const Dataset& d) const {
    double hits = 0;
    for (std::int64_t i = 0; i < d.size(); ++i) {
      const auto s = scores(features(d, i));
      hits += std::ranges::max_element(s) - s.begin() == d.labels[static_cast<std::size_t>(i)];
    }
    return hits / static_cast<double>(d.size());
  }
};

}  // namespace

TEST_CASE("an image is a function of seed, split and number alone") {
  const Dataset few = make_synthetic(Split::train, 20, 1),
                more = make_synthetic(Split::train, 40, 1);
  CHECK(std::equal(few.images.begin(), few.images.end(), more.images.begin()));
  CHECK(make_synthetic(Split::train, 20, 2).images != few.images);
  CHECK(make_synthetic(Split::test, 20, 1).images != few.images);
}

TEST_CASE("the ten classes are equally frequent and named") {
  const Dataset d = make_synthetic(Split::test, 100, 0);
  for (int c = 0; c < 10; ++c) CHECK(std::ranges::count(d.labels, c) == 10);
  CHECK(d.class_names.size() == 10);
  CHECK_THROWS_AS(make_synthetic(Split::test, -1, 0), ValueError);
}

TEST_CASE("a linear model learns the training images but stays under 60 % on others") {
  const Dataset train = make_synthetic(Split::train, 2000, 0);
  const Dataset test = make_synthetic(Split::test, 1000, 0);
  LinearModel model;
  for (int epoch = 0; epoch < 5; ++epoch) {
    for (std::int64_t i = 0; i < train.size(); ++i) {
      model.learn(features(train, i), train.labels[static_cast<std::size_t>(i)], 1e-4f);
    }
  }
  CHECK(model.accuracy(train) > 0.3);
  CHECK(model.accuracy(test) < 0.6);
}
