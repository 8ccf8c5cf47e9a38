#include "train/lr_range.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/check.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/tiny_run.h"

using namespace resgrad;

namespace {

// A range test whose losses are those of a function of the rate.
template <class F>
LrRange run(const LrRangeOptions& options, F&& loss) {
  LrRange range(options);
  while (!range.finished()) range.add(loss(range.next_lr()));
  return range;
}

}  // namespace

TEST_CASE("rates grow exponentially from the start to the end") {
  const LrRange range = run({.start = 1e-4, .end = 1, .steps = 21}, [](double) { return 2.0; });
  REQUIRE(range.points().size() == 21);
  CHECK_FALSE(range.diverged());
  for (std::size_t i = 0; i < 21; ++i) {
    CHECK(range.points()[i].lr ==
          doctest::Approx(std::pow(10, -4 + static_cast<double>(i) / 5)).epsilon(1e-12));
    CHECK(range.points()[i].smoothed == doctest::Approx(2));
  }
  CHECK_FALSE(range.steepest());  // it does not fall
  CHECK_FALSE(range.suggestion());
}

TEST_CASE("the smoothed loss is the mean weighted by the age, without a bias at the beginning") {
  LrRange range({.steps = 20});
  for (const double loss : {3.0, 1.0, 2.0}) range.add(loss);
  CHECK(range.points()[0].smoothed == 3);
  CHECK(range.points()[1].smoothed == doctest::Approx((0.98 * 3 + 1) / 1.98).epsilon(1e-14));
  CHECK(range.points()[2].smoothed ==
        doctest::Approx((0.9604 * 3 + 0.98 + 2) / (0.9604 + 0.98 + 1)).epsilon(1e-14));
  CHECK(range.lowest() == 1);
}

TEST_CASE("the test ends when the smoothed loss is four times the lowest, or not finite") {
  const LrRange high =
      run({.steps = 40}, [n = 0](double) mutable { return ++n < 20 ? 1.0 : 30.0; });
  CHECK(high.diverged());
  const auto& points = high.points();
  CHECK(points.back().smoothed > 4 * points[*high.lowest()].smoothed);
  CHECK(points[points.size() - 2].smoothed <= 4 * points[*high.lowest()].smoothed);
  CHECK(points.size() < 40);
  for (const double end : {std::nan(""), double{INFINITY}}) {
    const LrRange range = run({.steps = 40}, [&](double lr) { return lr < 1e-4 ? 1.0 : end; });
    CHECK(range.diverged());
    CHECK(range.points().back().lr < 1e-4);
  }
  LrRange none({});
  none.add(std::nan(""));
  CHECK(none.finished());
  CHECK_FALSE(none.lowest());
  CHECK_FALSE(none.steepest());
}

TEST_CASE("the loss falls steepest in the middle of its fall") {
  // falls from 3 to 1 around the rate 1e-2 and rises from 1 on
  const LrRange range = run({.start = 1e-6, .end = 10, .steps = 200}, [](double lr) {
    return 2 - std::tanh(2 * std::log10(lr / 1e-2)) + (lr > 1 ? 50 * (lr - 1) : 0);
  });
  REQUIRE(range.steepest());
  const double steepest = range.points()[*range.steepest()].lr;
  // the smoothing, over fifty updates of 0.035 decades, lags behind
  CHECK(steepest > 1e-2);
  CHECK(steepest < 0.3);
  const double lowest = range.points()[*range.lowest()].lr;
  CHECK(range.suggestion() == lowest / 10);
  CHECK(lowest > 0.3);
  CHECK(lowest < 3);
  // a fall in the first updates, which are hardly smoothed, is none
  const LrRange early =
      run({.steps = 100}, [n = 0](double) mutable { return ++n < 3 ? 9.0 : 5.0 + n * 1e-3; });
  REQUIRE(early.steepest());
  CHECK(*early.steepest() >= 10);
}

TEST_CASE("a network is trained at the rates of the test, and no file is there") {
  const TemporaryFolder folder;
  const RunOptions o = tiny_options(folder.path() / "run");
  const LrRange range =
      find_lr(*tiny_net(), tiny_splits(), o, {.start = 1e-5, .end = 1e4, .steps = 60});
  CHECK(range.diverged());  // somewhere below 1e4
  REQUIRE(range.points().size() > 10);
  CHECK(range.points()[0].loss == doctest::Approx(std::log(10)).epsilon(0.5));
  CHECK(std::filesystem::is_empty(folder.path()));
  std::stop_source source;
  source.request_stop();
  CHECK(find_lr(*tiny_net(), tiny_splits(), o, {}, source.get_token()).points().empty());
}

TEST_CASE("the table has the points and their marks") {
  LrRange range({.start = 0.5, .end = 2, .steps = 21});
  for (int i = 0; i < 13; ++i) range.add(i < 11 ? 2 : 1);
  const std::string csv = to_csv(range);
  CHECK(csv.starts_with("lr,loss,smoothed_loss,mark\n0.5,2,2,\n"));
  CHECK(csv.find(",steepest\n") != std::string::npos);
  CHECK(csv.ends_with(",lowest\n"));
  CHECK(std::ranges::count(csv, '\n') == 14);
}

TEST_CASE("ranges that are none are refused") {
  const auto refused = [](const LrRangeOptions& options, const char* message) {
    CHECK_THROWS_WITH_AS(LrRange{options}, message, ValueError);
  };
  refused({.start = 0}, "find_lr: start: expected a finite number above 0, got 0");
  refused({.start = 1, .end = 1},
          "find_lr: end: expected a finite number above the start 1, got 1");
  refused({.end = INFINITY},
          "find_lr: end: expected a finite number above the start 1e-07, got inf");
  refused({.steps = 19}, "find_lr: steps: expected at least 20, got 19");
}
