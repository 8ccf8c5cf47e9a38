#include "core/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/check.h"

using namespace resgrad;

using Words = std::array<std::uint32_t, 4>;

// The vectors of Random123's kat_vectors for philox4x32-10.
TEST_CASE("philox gives the known answers of Random123") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a sequence is the blocks of its counter in order") {
  Random random(0x0000000200000001, Purpose::shuffle, 7, 0x0000000400000003);
  for (std::uint32_t block = 0; block < 3; ++block) {
    const Words expected = philox4x32({(1u << 28) + block, 7, 3, 4}, {1, 2});
    for (std::uint32_t word : expected) CHECK(random.next_u32() == word);
  }
}

TEST_CASE("a sequence goes on from any of its blocks") {
  Random whole(7, Purpose::augment, 3, 5);
  std::vector<double> uniform(20);
  for (double& value : uniform) value = whole.uniform();
  for (const std::size_t i : {std::size_t{6}, std::size_t{0}, std::size_t{18}}) {
    whole.normal();  // what was drawn before, and the second of a pair, does not matter
    whole.seek(static_cast<std::uint32_t>(i / 2));
    CHECK(whole.uniform() == uniform[i]);
    CHECK(whole.uniform() == uniform[i + 1]);
  }
}

TEST_CASE("the same key repeats, any other key gives another sequence") {
  const auto first = [](std::uint64_t seed, Purpose purpose, std::uint32_t epoch,
                        std::uint64_t sample) {
    return Random(seed, purpose, epoch, sample).next_u32();
  };
  CHECK(first(1, Purpose::init, 2, 3) == first(1, Purpose::init, 2, 3));
  const std::set<std::uint32_t> different{first(1, Purpose::init, 2, 3),
                                          first(2, Purpose::init, 2, 3),
                                          first(1, Purpose::shuffle, 2, 3),
                                          first(1, Purpose::init, 3, 3),
                                          first(1, Purpose::init, 2, 4),
                                          first(1ull << 32 | 1, Purpose::init, 2, 3),
                                          first(1, Purpose::init, 2, 1ull << 32 | 3)};
  CHECK(different.size() == 7);
}

TEST_CASE("uniform values lie between 0 and 1, with mean 1/2 and variance 1/12") {
  Random random(1, Purpose::test);
  constexpr int kCount = 100000;
  double sum = 0, squares = 0, lowest = 1, highest = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = random.uniform();
    sum += u, squares += u * u;
    lowest = std::min(lowest, u), highest = std::max(highest, u);
  }
  CHECK(lowest >= 0);
  CHECK(highest < 1);
  const double mean = sum / kCount;
  CHECK(std::abs(mean - 0.5) < 0.005);
  CHECK(std::abs(squares / kCount - mean * mean - 1.0 / 12) < 0.002);
  const double scaled = random.uniform(-3, -2);
  CHECK(scaled >= -3);
  CHECK(scaled < -2);
}

TEST_CASE("normal values have the moments 0, 1, 0, 3 and independent pairs") {
  Random random(2, Purpose::test);
  constexpr int kCount = 200000;
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, pairs = 0, previous = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal();
    CHECK(std::isfinite(x));
    m1 += x, m2 += x * x, m3 += x * x * x, m4 += x * x * x * x, pairs += x * previous;
    previous = x;
  }
  CHECK(std::abs(m1 / kCount) < 0.01);
  CHECK(std::abs(m2 / kCount - 1) < 0.02);
  CHECK(std::abs(m3 / kCount) < 0.04);
  CHECK(std::abs(m4 / kCount - 3) < 0.1);
  CHECK(std::abs(pairs / kCount) < 0.01);
}

TEST_CASE("below reaches every value about equally often") {
  Random random(3, Purpose::test);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts.at(random.below(7));
  for (int count : counts) CHECK(std::abs(count - 10000) < 500);
  CHECK(random.below(1) == 0);
  CHECK(random.below(0xffffffff) < 0xffffffff);
}

TEST_CASE("below is unbiased where a plain product would not be") {
  // of 3 * 2^30 values, a product alone would give the last third half of its share or double
  Random random(4, Purpose::test);
  const std::uint32_t n = 3u << 30;
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += random.below(n) < n / 3;
  CHECK(std::abs(low - 10000) < 500);
}

TEST_CASE("a permutation holds every index once and moves most") {
  Random random(5, Purpose::test);
  std::vector<std::int64_t> order = random.permutation(1000);
  int fixed = 0;
  for (std::size_t i = 0; i < order.size(); ++i) fixed += order[i] == static_cast<std::int64_t>(i);
  CHECK(fixed < 10);
  std::ranges::sort(order);
  for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i] == static_cast<std::int64_t>(i));
  CHECK(random.permutation(0).empty());
  CHECK(random.permutation(1) == std::vector<std::int64_t>{0});
}

TEST_CASE("all permutations of three are about equally frequent") {
  Random random(6, Purpose::test);
  std::array<int, 27> counts{};
  for (int i = 0; i < 6000; ++i) {
    const auto p = random.permutation(3);
    ++counts.at(static_cast<std::size_t>(p[0] * 9 + p[1] * 3 + p[2]));
  }
  int seen = 0;
  for (int count : counts) {
    if (count == 0) continue;
    ++seen;
    CHECK(std::abs(count - 1000) < 150);
  }
  CHECK(seen == 6);
}

TEST_CASE("beta variates have their mean and variance") {
  for (const std::pair<double, double>& shapes :
       {std::pair{0.2, 0.2}, {1.0, 1.0}, {5.0, 5.0}, {0.5, 2.0}, {30.0, 3.0}}) {
    const double a = shapes.first, b = shapes.second;
    Random random(8, Purpose::test);
    double sum = 0, squares = 0;
    constexpr int kDraws = 20000;
    for (int i = 0; i < kDraws; ++i) {
      const double x = random.beta(a, b);
      REQUIRE(x >= 0);
      REQUIRE(x <= 1);
      sum += x;
      squares += x * x;
    }
    const double mean = sum / kDraws, variance = squares / kDraws - mean * mean;
    CAPTURE(a);
    CAPTURE(b);
    CHECK(mean == doctest::Approx(a / (a + b)).epsilon(0.02));
    CHECK(variance == doctest::Approx(a * b / ((a + b) * (a + b) * (a + b + 1))).epsilon(0.05));
  }
}

TEST_CASE("beta variates of the smallest shapes are all but 0 or 1, each as often") {
  Random random(9, Purpose::test);
  int low = 0, high = 0;
  for (int i = 0; i < 1000; ++i) {
    const double x = random.beta(0.001, 0.001);
    low += x < 1e-6;
    high += x > 1 - 1e-6;
  }
  CHECK(low + high > 970);
  CHECK(std::abs(low - high) < 150);
}

TEST_CASE("blocks that were passed are those that would have come") {
  Random random(3, Purpose::test), other(3, Purpose::test);
  for (int i = 0; i < 8; ++i) random.next_u32();
  other.pass(2);
  CHECK(other.next_u32() == random.next_u32());
  // what is left of a block goes with it
  random.seek(3);
  other.pass(0);
  CHECK(other.next_u32() == random.next_u32());
  other.seek(0x0FFFFFFE);
  CHECK_THROWS_WITH_AS(other.pass(2),
                       "Random: expected at most 1 blocks, as many as the sequence has left, got 2",
                       ValueError);
}

TEST_CASE("a sequence does not go on in that of another purpose") {
  Random random(1, Purpose::init);
  CHECK_THROWS_AS(random.seek(1u << 28), ValueError);
  random.seek((1u << 28) - 1);
  CHECK_THROWS_AS(random.next_u32(), ValueError);
  random.seek((1u << 28) - 2);
  for (int i = 0; i < 4; ++i) CHECK_NOTHROW(random.next_u32());
  CHECK_THROWS_AS(random.normal(), ValueError);
}
