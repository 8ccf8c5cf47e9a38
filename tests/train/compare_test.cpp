#include "train/compare.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/check.h"

using namespace resgrad;

namespace {

std::vector<EpochMetrics> run(const std::vector<double>& losses, double top1) {
  std::vector<EpochMetrics> epochs;
  for (double loss : losses) {
    EpochMetrics m{};
    m.epoch = std::ssize(epochs) + 1;
    m.train_loss = loss;
    m.test_top1 = top1;
    epochs.push_back(m);
  }
  return epochs;
}

const ComparisonRow& find(const Comparison& c, std::string_view name, std::string_view measure) {
  for (const ComparisonRow& row : c.rows) {
    if (row.name == name && row.measure == measure) return row;
  }
  throw std::runtime_error("no such row");
}

}  // namespace

TEST_CASE("describe gives mean, sample deviation and Student's interval") {
  // 1, 2, 3: mean 2, deviation 1, half width t(2) / sqrt(3) = 4.3027 / 1.7321 = 2.4842
  const Statistic s = describe({1, 2, 3});
  CHECK(s.n == 3);
  CHECK(s.mean == doctest::Approx(2));
  CHECK(s.std == doctest::Approx(1));
  CHECK(s.ci_low == doctest::Approx(2 - 2.48417).epsilon(1e-4));
  CHECK(s.ci_high == doctest::Approx(2 + 2.48417).epsilon(1e-4));
  CHECK(describe({5}).mean == 5);
  CHECK(std::isnan(describe({5}).std));
  CHECK(std::isnan(describe({}).mean));
}

TEST_CASE("the quantile of Student's t is that of the tables") {
  CHECK(student_t_975(1) == doctest::Approx(12.7062));
  CHECK(student_t_975(30) == doctest::Approx(2.0423));
  CHECK(std::abs(student_t_975(31) - 2.0395) < 1e-4);
  CHECK(std::abs(student_t_975(100) - 1.9840) < 1e-4);
  CHECK_THROWS_AS(student_t_975(0), ValueError);
}

TEST_CASE("epochs_to_loss is the first epoch at or below the target") {
  CHECK(epochs_to_loss(run({3, 2, 1}, 0), 2) == 2);
  CHECK(epochs_to_loss(run({3, 2, 1}, 0), 0.5) == std::nullopt);
}

TEST_CASE("differences are paired by seed") {
  // pre is 0.1 below post for each seed, though the seeds differ by much more
  const Comparison c = compare({{"post", {run({2, 1.0}, 70), run({2, 3.0}, 60)}},
                                {"pre", {run({2, 0.9}, 71), run({2, 2.9}, 62)}}});
  const Statistic loss = find(c, "pre - post", "train_loss").statistic;
  CHECK(loss.mean == doctest::Approx(-0.1));
  CHECK(loss.std == doctest::Approx(0).epsilon(1e-9));
  CHECK(find(c, "pre - post", "test_top1").statistic.mean == doctest::Approx(1.5));
  CHECK(find(c, "post", "train_loss").statistic.mean == doctest::Approx(2));
  CHECK(c.target_loss == 3);  // the largest final loss of a run
  CHECK(find(c, "post", "epochs_to_loss").statistic.n == 2);
  CHECK(find(c, "post", "epochs_to_loss").statistic.mean == doctest::Approx(1));
  CHECK(find(c, "pre", "epochs_to_loss").statistic.mean == doctest::Approx(1));
}

TEST_CASE("runs with averaged weights are compared by the accuracy of those") {
  auto averaged = run({2, 1}, 70);
  averaged.back().ema_test_top1 = 80;
  const Comparison c = compare({{"plain", {run({2, 1}, 70)}}, {"averaged", {averaged}}});
  CHECK(find(c, "averaged - plain", "test_top1").statistic.mean == doctest::Approx(10));
}

TEST_CASE("runs that do not reach the loss are left out of that measure") {
  const Comparison c =
      compare({{"post", {run({2, 1}, 0), run({2, 2}, 0)}}, {"pre", {run({1}, 0), run({1}, 0)}}}, 1);
  CHECK(find(c, "post", "epochs_to_loss").statistic.n == 1);
  CHECK(find(c, "pre - post", "epochs_to_loss").statistic.n == 1);
  CHECK(find(c, "pre - post", "epochs_to_loss").statistic.mean == doctest::Approx(-1));
}

TEST_CASE("the CSV has a line per row and empty cells for what is not defined") {
  const std::string csv = to_csv(compare({{"post", {run({1}, 50)}}, {"pre", {run({2}, 60)}}}));
  CHECK(
      csv.starts_with("kind,name,measure,n,mean,std,ci_low,ci_high\n"
                      "variant,post,train_loss,1,1,,,\n"));
  CHECK(csv.find("difference,pre - post,test_top1,1,10,,,\n") != std::string::npos);
}

TEST_CASE("a run without result is left out, and its pair of the differences") {
  const Comparison c = compare({{"post", {run({2, 1}, 70), run({2, 3}, 60), run({2, 5}, 50)}},
                                {"pre", {run({2, 2}, 71), {}, run({2, 8}, 53)}},
                                {"none", {{}, {}, {}}}});
  CHECK(find(c, "post", "train_loss").statistic.mean == doctest::Approx(3));
  CHECK(find(c, "pre", "train_loss").statistic.n == 2);
  CHECK(find(c, "pre", "train_loss").statistic.mean == doctest::Approx(5));
  CHECK(find(c, "pre - post", "test_top1").statistic.n == 2);
  CHECK(find(c, "pre - post", "test_top1").statistic.mean == doctest::Approx(2));
  CHECK(find(c, "none", "train_loss").statistic.n == 0);
  CHECK(find(c, "none - post", "test_top1").statistic.n == 0);
  CHECK(c.target_loss == 8);
}

TEST_CASE("costs are means over what is known") {
  const auto timed = [](double rate, const std::vector<double>& seconds) {
    std::vector<EpochMetrics> epochs;
    for (double s : seconds) epochs.push_back({.images_per_s = rate, .seconds = s});
    return epochs;
  };
  const double unknown = std::nan("");
  CHECK(minutes(timed(1, {30, 60})) == doctest::Approx(1.5));
  CHECK(std::isnan(minutes(timed(1, {30, unknown}))));
  CHECK(std::isnan(minutes({})));
  CHECK(std::isnan(images_per_second(timed(unknown, {1}))));
  const VariantCosts c = costs(
      {"pre", {timed(100, {60, 60}), timed(200, {60, unknown}), {}, timed(unknown, {240})}}, 7, 8);
  CHECK(c.name == "pre");
  CHECK(c.images_per_s == doctest::Approx(150));
  CHECK(c.minutes == doctest::Approx(3));
  const std::string table = to_table({c, costs({"post", {{}}}, 9, 10)});
  CHECK(table.find("pre                          7                 8       150.0       3.0\n") !=
        std::string::npos);
  CHECK(table.find("post                         9                10           -         -\n") !=
        std::string::npos);
}

TEST_CASE("variants with different numbers of runs cannot be compared") {
  CHECK_THROWS_WITH_AS(compare({{"post", {run({1}, 0)}}, {"pre", {}}}),
                       "compare: pre: expected 1 runs, at least one, got 0", ValueError);
  CHECK_THROWS_AS(compare({{"post", {}}}), ValueError);
}
