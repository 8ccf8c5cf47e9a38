#include "train/log/metrics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "core/check.h"
#include "tests/support/files.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
using testing::in_child_with_file_limit;
using testing::TemporaryFolder;

const std::string kHeader =
    "epoch,step,lr,train_loss,train_top1,test_loss,test_top1,images_per_s,seconds\n";

EpochMetrics epoch_metrics(std::int64_t epoch) {
  return {.epoch = epoch,
          .step = 391 * epoch,
          .lr = 0.1,
          .train_loss = 1.0 / 3,
          .train_top1 = 56.78,
          .test_loss = 1e-7,
          .test_top1 = 60,
          .images_per_s = 940.25,
          .seconds = 53.1875};
}

TEST_CASE("a meter is a weighted mean") {
  Meter meter;
  CHECK(std::isnan(meter.mean()));
  meter.add(1, 128);
  meter.add(4, 64);
  CHECK_EQ(meter.mean(), 2);  // (128 + 256) / 192
  CHECK_EQ(meter.weight(), 192);
  meter.add(100, 0);
  CHECK_EQ(meter.mean(), 2);
  meter.reset();
  CHECK_EQ(meter.weight(), 0);
  meter.add(3);
  CHECK_EQ(meter.mean(), 3);
  CHECK_THROWS_AS(meter.add(1, -1), ValueError);
}

TEST_CASE("a meter goes on from the sums of another") {
  Meter first, whole;
  first.add(0.1, 3);
  Meter second(first.sum(), first.weight());
  second.add(0.7, 5);
  whole.add(0.1, 3);
  whole.add(0.7, 5);
  CHECK_EQ(second.mean(), whole.mean());
}

TEST_CASE("the text has a row per epoch and empty cells for what was not measured") {
  const std::string first = "1,391,0.1,0.3333333333333333,56.78,1e-07,60,940.2,53.188\n";
  CHECK_EQ(metrics_csv({}), kHeader);
  EpochMetrics without_evaluation = epoch_metrics(2);
  without_evaluation.test_loss = without_evaluation.test_top1 = std::nan("");
  CHECK_EQ(metrics_csv({epoch_metrics(1), without_evaluation}),
           kHeader + first + "2,782,0.1,0.3333333333333333,56.78,,,940.2,53.188\n");
}

TEST_CASE("what is read is what was written") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "metrics.csv";
  EpochMetrics second{.epoch = 2, .step = 500};
  second.train_loss = INFINITY;
  write_metrics_csv(file, {epoch_metrics(7)});
  write_metrics_csv(file, {epoch_metrics(1), second});
  CHECK_EQ(folder.names(), std::vector<std::string>{"metrics.csv"});
  const std::vector<EpochMetrics> rows = read_metrics_csv(file);
  REQUIRE_EQ(rows.size(), 2);
  CHECK_EQ(rows[0].epoch, 1);
  CHECK_EQ(rows[0].step, 391);
  CHECK_EQ(rows[0].lr, 0.1);
  CHECK_EQ(rows[0].train_loss, 1.0 / 3);
  CHECK_EQ(rows[0].train_top1, 56.78);
  CHECK_EQ(rows[0].test_loss, 1e-7);
  CHECK_EQ(rows[0].test_top1, 60);
  CHECK_EQ(rows[0].images_per_s, 940.2);
  CHECK_EQ(rows[0].seconds, 53.188);
  CHECK_EQ(rows[1].epoch, 2);
  CHECK_EQ(rows[1].train_loss, INFINITY);
  CHECK(std::isnan(rows[1].lr));
  CHECK(std::isnan(rows[1].seconds));
}

TEST_CASE("columns of averaged weights are there when an epoch has them") {
  EpochMetrics with = epoch_metrics(2);
  with.ema_test_loss = 0.5;
  with.ema_test_top1 = 61.25;
  const std::string text = metrics_csv({epoch_metrics(1), with});
  CHECK_EQ(text,
           "epoch,step,lr,train_loss,train_top1,test_loss,test_top1,ema_test_loss,ema_test_top1,"
           "images_per_s,seconds\n"
           "1,391,0.1,0.3333333333333333,56.78,1e-07,60,,,940.2,53.188\n"
           "2,782,0.1,0.3333333333333333,56.78,1e-07,60,0.5,61.25,940.2,53.188\n");
  const std::vector<EpochMetrics> rows = parse_metrics_csv(text, "text");
  REQUIRE_EQ(rows.size(), 2);
  CHECK(std::isnan(rows[0].ema_test_loss));
  CHECK_EQ(rows[1].ema_test_loss, 0.5);
  CHECK_EQ(rows[1].ema_test_top1, 61.25);
  CHECK_EQ(rows[1].images_per_s, 940.2);
}

TEST_CASE("a file that cannot be written leaves the earlier one") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "metrics.csv";
  write_metrics_csv(file, {epoch_metrics(1)});
  const std::string result = in_child_with_file_limit(150, [&] {
    write_metrics_csv(file, {epoch_metrics(1), epoch_metrics(2), epoch_metrics(3)});
    return std::string();
  });
  CHECK_EQ(result,
           "uncaught: write: " + file.string() + ": expected to write, got: File too large");
  CHECK_EQ(read_metrics_csv(file).size(), 1);
  CHECK_THROWS_AS(write_metrics_csv(folder.path() / "missing" / "metrics.csv", {}), IoError);
  CHECK_THROWS_AS(read_metrics_csv(folder.path() / "missing.csv"), IoError);
  CHECK_THROWS_AS(read_metrics_csv(folder.path()), IoError);
}

TEST_CASE("damaged files are errors that name the line") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "metrics.csv";
  const auto failure = [&](const std::string& text) -> std::string {
    std::ofstream(file, std::ios::binary) << text;
    try {
      read_metrics_csv(file);
    } catch (const IoError& e) {
      return std::string(e.what()).substr(std::strlen("metrics: ") + file.string().size() + 2);
    }
    return "";
  };
  const std::string row = "1,391,0.1,1,56.78,1,60,940.2,53.188\n";
  CHECK_EQ(failure(kHeader + row), "");
  CHECK_EQ(failure(kHeader), "");
  CHECK_EQ(failure("epoch,step\n" + row),
           "expected the header " + kHeader.substr(0, kHeader.size() - 1) + ", got epoch,step");
  CHECK_NE(failure(""), "");
  CHECK_EQ(failure(kHeader + row + "2,391,0.1\n"), "line 3: expected 9 cells, got 3");
  CHECK_EQ(failure(kHeader + row + row.substr(0, 20)),
           "line 3: expected an end of line, got the end of the file");
  CHECK_EQ(failure(kHeader + ",391,0.1,1,56.78,1,60,940.2,53.188\n"),
           "line 2: expected a number, got \"\"");
  CHECK_EQ(failure(kHeader + "1.5,391,0.1,1,56.78,1,60,940.2,53.188\n"),
           "line 2: expected a number, got \"1.5\"");
  CHECK_EQ(failure(kHeader + "1,391,0.1x,1,56.78,1,60,940.2,53.188\n"),
           "line 2: expected a number, got \"0.1x\"");
  CHECK_EQ(failure(kHeader + "1,391,nan,1,56.78,1,60,940.2,53.188\n"),
           "line 2: expected a number, got \"nan\"");
  CHECK_NE(failure(kHeader + "1,391,0.1,1,56.78,1,60,940.2,53.188\r\n"), "");
  CHECK_NE(failure(kHeader + row + "\n"), "");
}

}  // namespace
}  // namespace resgrad
