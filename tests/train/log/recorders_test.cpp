#include "train/log/recorders.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/check.h"
#include "nn/loss.h"
#include "tests/support/event_reader.h"
#include "tests/support/files.h"
#include "tests/train/tiny_run.h"
#include "train/trainer.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
using testing::Event;
using testing::in_child_with_file_limit;
using testing::read_events;
using testing::read_text;
using testing::TemporaryFolder;

RunOptions quiet_options(const fs::path& folder) {
  RunOptions o = tiny_options(folder);
  o.print_freq = 2;
  return o;
}

RecorderOptions recorder_options(const fs::path& folder) {
  return {.folder = folder, .print_freq = 2, .quiet = true};
}

std::vector<fs::path> event_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

std::vector<Event> only_events(const fs::path& folder) {
  const std::vector<fs::path> files = event_files(folder);
  REQUIRE_EQ(files.size(), 1);
  return read_events(read_text(files[0]));
}

std::vector<nlohmann::json> lines_of(const fs::path& file) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(read_text(file));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

StepResult step_result(std::int64_t step) {
  return {.step = step, .epoch = 1, .epoch_step = step, .images = 16, .loss = 2, .lr = 0.1};
}

TEST_CASE("events and steps of a run have the values of metrics.csv") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  run_training(*tiny_net(), tiny_splits(), quiet_options(run), {.model = "tiny"});

  const std::vector<EpochMetrics> epochs = read_metrics_csv(run / "metrics.csv");
  const std::vector<nlohmann::json> steps = lines_of(run / "metrics.jsonl");
  std::vector<std::int64_t> step_numbers;
  for (const auto& step : steps) step_numbers.push_back(step["step"].get<std::int64_t>());
  // every second of an epoch of 5, and the last
  CHECK_EQ(step_numbers, std::vector<std::int64_t>{2, 4, 5, 7, 9, 10});

  std::size_t epochs_seen = 0, steps_seen = 0;
  for (const Event& event : only_events(run)) {
    const auto scalar = [&](const char* tag) { return event.scalars.at(tag); };
    if (event.scalars.contains("epoch/test_top1")) {
      REQUIRE_LT(epochs_seen, epochs.size());
      const EpochMetrics& epoch = epochs[epochs_seen++];
      CHECK_EQ(event.step, epoch.step);
      CHECK_EQ(scalar("epoch/lr"), static_cast<float>(epoch.lr));
      CHECK_EQ(scalar("epoch/train_loss"), static_cast<float>(epoch.train_loss));
      CHECK_EQ(scalar("epoch/train_top1"), static_cast<float>(epoch.train_top1));
      CHECK_EQ(scalar("epoch/test_loss"), static_cast<float>(epoch.test_loss));
      CHECK_EQ(scalar("epoch/test_top1"), static_cast<float>(epoch.test_top1));
      CHECK_LE(std::abs(scalar("epoch/images_per_s") - epoch.images_per_s), 0.06);
    } else if (event.scalars.contains("train/loss")) {
      REQUIRE_LT(steps_seen, steps.size());
      const auto& step = steps[steps_seen++];
      CHECK_EQ(event.step, step["step"].get<std::int64_t>());
      CHECK_EQ(scalar("train/loss"), step["loss"].get<float>());
      CHECK_EQ(scalar("train/top1"), step["top1"].get<float>());
      CHECK_EQ(scalar("train/lr"), step["lr"].get<float>());
      CHECK_LE(std::abs(scalar("train/images_per_s") - step["images_per_s"].get<double>()), 0.06);
      CHECK_LE(std::abs(scalar("train/data_wait") - step["data_wait"].get<double>()), 6e-5);
      CHECK_EQ(event.scalars.size(), 5);
    }
  }
  CHECK_EQ(epochs_seen, 2);
  CHECK_EQ(steps_seen, steps.size());
  CHECK_FALSE(fs::exists(run / "profile.json"));
}

TEST_CASE("with print_freq 1 the losses of the steps are those of the epoch") {
  const TemporaryFolder folder;
  RunOptions o = quiet_options(folder.path() / "run");
  o.print_freq = 1;
  o.epochs = 1;
  const TrainResult result = run_training(*tiny_net(), tiny_splits(), o, {});
  double loss = 0, top1 = 0;
  const std::vector<nlohmann::json> steps = lines_of(folder.path() / "run" / "metrics.jsonl");
  REQUIRE_EQ(steps.size(), 5);
  for (const auto& step : steps) {
    loss += step["loss"].get<double>() / 5;
    top1 += step["top1"].get<double>() / 5;
  }
  CHECK_EQ(loss, doctest::Approx(result.epochs[0].train_loss));
  CHECK_EQ(top1, doctest::Approx(result.epochs[0].train_top1));
}

TEST_CASE("norms of every parameter and gradient on request") {
  const TemporaryFolder folder;
  RecorderOptions o = recorder_options(folder.path());
  o.log_norms = true;
  Recorders recorders(o, {1, 10, 10});
  const auto net = tiny_net();
  CrossEntropyLoss()((*net)(Tensor::ones({2, 3, 8, 8})), Tensor::zeros({2}, DType::int64))
      .backward();
  recorders.begin_epoch();
  recorders.step(step_result(2), *net);
  const std::vector<Event> events = only_events(folder.path());
  REQUIRE_EQ(events.size(), 2);
  const std::vector<NamedTensor> parameters = net->named_parameters();
  CHECK_EQ(events[1].scalars.size(), 5 + 2 * (parameters.size() + 1));
  const auto norm = [](const Tensor& t) {
    double sum = 0;
    for (const double v : t.to_vector<double>()) sum += v * v;
    return std::sqrt(sum);
  };
  double total = 0;
  for (const NamedTensor& p : parameters) {
    CAPTURE(p.name);
    CHECK_EQ(events[1].scalars.at("weight_norm/" + p.name), doctest::Approx(norm(p.tensor)));
    CHECK_EQ(events[1].scalars.at("grad_norm/" + p.name), doctest::Approx(norm(p.tensor.grad())));
    total += std::pow(norm(p.tensor.grad()), 2);
  }
  CHECK_GT(total, 0);
  CHECK_EQ(events[1].scalars.at("grad_norm/total"), doctest::Approx(std::sqrt(total)));
}

TEST_CASE("a continued run goes on with metrics.jsonl and starts a session of events") {
  const TemporaryFolder folder;
  const RecorderOptions o = recorder_options(folder.path());
  const auto net = tiny_net();
  {
    Recorders recorders(o, {1, 10, 10});
    recorders.begin_epoch();
    for (std::int64_t step = 1; step <= 7; ++step) recorders.step(step_result(step), *net);
  }
  {
    Recorders recorders(o, {1, 10, 10}, 5);
    recorders.begin_epoch();
    for (std::int64_t step = 6; step <= 10; ++step) recorders.step(step_result(step), *net);
  }
  std::vector<std::int64_t> steps;
  for (const auto& line : lines_of(folder.path() / "metrics.jsonl")) {
    steps.push_back(line["step"].get<std::int64_t>());
  }
  CHECK_EQ(steps, std::vector<std::int64_t>{2, 4, 6, 8, 10});
  const std::vector<fs::path> files = event_files(folder.path());
  REQUIRE_EQ(files.size(), 2);
  const std::vector<Event> second = read_events(read_text(files[1]));
  CHECK(second.at(1).session_start);
  CHECK_EQ(second.at(1).step, 6);
  CHECK_EQ(second.at(2).step, 6);
}

TEST_CASE("a run that does an evaluation anew drops its events") {
  const TemporaryFolder folder;
  { Recorders recorders(recorder_options(folder.path()), {1, 10, 5}); }
  { Recorders recorders(recorder_options(folder.path()), {1, 10, 10}, 5, true); }
  const std::vector<Event> events = read_events(read_text(event_files(folder.path()).at(1)));
  CHECK(events.at(1).session_start);
  CHECK_EQ(events.at(1).step, 5);
}

TEST_CASE("a line of metrics.jsonl that cannot be read is told of in the log") {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "metrics.jsonl") << "{\"step\":1}\ngarbage\n";
  { Recorders recorders(recorder_options(folder.path()), {1, 10, 10}, 5); }
  CHECK_NE(read_text(folder.path() / "train.log")
               .find("metrics.jsonl: dropped 1 lines that are no "
                     "JSON objects with a step, the first is line 2"),
           std::string::npos);
}

TEST_CASE("the time left counts the steps and the evaluations that the run reaches") {
  CHECK_EQ(seconds_left({.epochs = 10, .steps_per_epoch = 100, .total_steps = 1000}, 1, 10, 2, 30),
           990 * 2 + 10 * 30);
  CHECK_EQ(
      seconds_left({.epochs = 10, .steps_per_epoch = 100, .total_steps = 1000}, 10, 1000, 2, 30),
      30);
  // max_steps
  CHECK_EQ(seconds_left({.epochs = 10, .steps_per_epoch = 100, .total_steps = 150}, 1, 10, 2, 30),
           140 * 2 + 2 * 30);
  CHECK_EQ(seconds_left({.epochs = 10, .steps_per_epoch = 100, .total_steps = 100}, 1, 10, 2, 30),
           90 * 2 + 30);
  // eval_every: after epochs 3, 6, 9 and 10
  const RunLength every_third{
      .epochs = 10, .steps_per_epoch = 100, .total_steps = 1000, .eval_every = 3};
  CHECK_EQ(seconds_left(every_third, 1, 10, 2, 30), 990 * 2 + 4 * 30);
  CHECK_EQ(seconds_left(every_third, 3, 300, 2, 30), 700 * 2 + 4 * 30);
  CHECK_EQ(seconds_left(every_third, 4, 310, 2, 30), 690 * 2 + 3 * 30);
  CHECK_EQ(seconds_left(every_third, 10, 1000, 2, 30), 30);
}

TEST_CASE("the profile of a run is a table per epoch and a trace of the first steps") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  RunOptions o = quiet_options(run);
  o.profile = true;
  run_training(*tiny_net(), tiny_splits(240), o, {});
  const std::string log = read_text(run / "train.log");
  for (const char* part :
       {"where the time of 15 steps went", "conv2d backward_weight", "data wait", "zero_grad",
        "cross_entropy forward", "sgd update", "accuracy, records, progress", "all of 15 steps"}) {
    CAPTURE(part);
    const std::size_t first = log.find(part);
    CHECK_NE(first, log.npos);
    CHECK_NE(log.find(part, first + 1), log.npos);  // of both epochs
  }
  const auto trace = nlohmann::json::parse(read_text(run / "profile.json"));
  int steps = 0;
  for (const auto& event : trace.at("traceEvents")) steps += event.at("cat") == "step";
  CHECK_EQ(steps, 10);
}

TEST_CASE("a full disk is warned of once and does not end the run") {
  const TemporaryFolder folder;
  const fs::path& run = folder.path();
  const std::string result = in_child_with_file_limit(RLIM_INFINITY, [&] {
    const auto limit = [](rlim_t bytes) {
      const rlimit soft{bytes, RLIM_INFINITY};
      ::setrlimit(RLIMIT_FSIZE, &soft);
    };
    RecorderOptions o = recorder_options(run);
    o.print_freq = 1;
    Recorders recorders(o, {1, 20, 20});
    const auto net = tiny_net();
    recorders.begin_epoch();
    recorders.step(step_result(1), *net);
    limit(600);  // of bytes: room for some records in either file, and for the warnings
    for (std::int64_t step = 2; step <= 12; ++step) recorders.step(step_result(step), *net);
    limit(RLIM_INFINITY);
    for (std::int64_t step = 13; step <= 20; ++step) recorders.step(step_result(step), *net);
    return std::string("done");
  });
  CHECK_EQ(result, "done");
  CHECK_EQ(lines_of(run / "metrics.jsonl").size(), 20);
  CHECK_EQ(only_events(run).size(), 21);
  const std::string log = read_text(run / "train.log");
  for (const char* file : {"metrics.jsonl", "events.out.tfevents"}) {
    const std::size_t first = log.find(file);
    CHECK_NE(first, log.npos);
    CHECK_EQ(log.find(file, first + 1), log.npos);
  }
  CHECK_NE(log.find("File too large; training goes on"), log.npos);
}

TEST_CASE("a folder that is missing is an error") {
  CHECK_THROWS_AS(Recorders(recorder_options("/dev/null/run"), {1, 1, 1}), IoError);
}

}  // namespace
}  // namespace resgrad
