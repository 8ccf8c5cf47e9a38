#include "train/early_stopping.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace resgrad;

namespace {

// A row per epoch; NaN stands for an epoch without an evaluation.
std::vector<EpochMetrics> rows(const std::vector<double>& top1) {
  std::vector<EpochMetrics> all;
  for (const double value : top1) {
    EpochMetrics row{.epoch = std::ssize(all) + 1};
    row.test_top1 = value;
    if (!std::isnan(value)) row.test_loss = 1;
    all.push_back(row);
  }
  return all;
}

// What is counted after each epoch.
std::vector<std::int64_t> counts(const std::vector<double>& top1, double min_delta) {
  std::vector<std::int64_t> all;
  for (std::size_t n = 1; n <= top1.size(); ++n) {
    all.push_back(evaluations_without_gain(rows({top1.data(), top1.data() + n}), min_delta));
  }
  return all;
}

using Counts = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("evaluations since the last gain are counted") {
  CHECK(evaluations_without_gain({}, 0) == 0);
  CHECK(counts({50, 60, 60, 59, 61, 61, 61, 60}, 0) == Counts{0, 0, 1, 2, 0, 1, 2, 3});
  CHECK(counts({0, 0}, 0) == Counts{0, 1});  // no hit at all is an evaluation, too
}

TEST_CASE("a gain exceeds the last gain, not the last value, by more than min_delta") {
  // 60.5 is no gain over 60; 61 is none by more than 1; 61.5 is one over 60
  CHECK(counts({60, 60.5, 61, 61.5, 62, 62.5, 63}, 1) == Counts{0, 1, 2, 0, 1, 2, 0});
}

TEST_CASE("epochs without an evaluation do not count, and values that are not finite are no gain") {
  const double none = std::nan("");
  CHECK(counts({none, 50, none, none, 40, none, 60}, 0) == Counts{0, 0, 0, 0, 1, 1, 0});
  std::vector<EpochMetrics> diverged = rows({50, 99, 51});
  diverged[1].test_loss = std::nan("");
  CHECK(evaluations_without_gain({diverged[0], diverged[1]}, 0) == 1);
  CHECK(evaluations_without_gain(diverged, 0) == 0);  // 99 is not what 51 has to exceed
}
