#include "train/log/profile.h"

#include <doctest/doctest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/kernels/conv2d.h"
#include "nn/loss.h"
#include "tests/train/tiny_run.h"
#include "train/optim/sgd.h"

using namespace resgrad;

namespace {

// The cells of the row that starts with `name`.
std::vector<std::string> row(const std::string& table, const std::string& name) {
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + "  ")) continue;
    std::istringstream rest(line.substr(name.size()));
    std::vector<std::string> cells;
    for (std::string cell; rest >> cell;) cells.push_back(cell);
    return cells;
  }
  return {};
}

struct Steps {
  std::shared_ptr<ResNet> net = tiny_net();
  Sgd sgd{net->named_parameters(), {.momentum = 0.9}};

  void run(Profile& profile) {
    profile.mark("data wait");
    CrossEntropyLoss()((*net)(Tensor::ones({2, 3, 8, 8})), Tensor::zeros({2}, DType::int64))
        .backward();
    sgd.step();
    profile.end_step();
  }
};

}  // namespace

TEST_CASE("the rows are what ran, joined operations as one, and add up to the time of the steps") {
  Steps steps;
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  const Clock::time_point before = Clock::now();
  Profile profile;
  const Clock::time_point begun = Clock::now();
  steps.run(profile);
  const Clock::time_point between = Clock::now();
  steps.run(profile);
  CHECK(profile.steps() == 2);
  CHECK(profile.seconds() <= seconds(Clock::now() - before));
  CHECK(profile.seconds() >= seconds(between - begun));
  const std::string table = profile.table();
  CAPTURE(table);
  // 1 stem, 1 per block and 1 projection; the second of each block normalises what it reads
  for (const char* phase : {"forward", "backward_input", "backward_weight"}) {
    CHECK(row(table, std::string("conv2d ") + phase).at(0) ==
          (phase == std::string("backward_input") ? "3.0" : "4.0"));
    CHECK(row(table, std::string("batch_norm_relu_conv2d ") + phase).at(0) == "2.0");
  }
  CHECK(row(table, "batch_norm_relu forward").at(0) == "1.0");
  CHECK(row(table, "batch_norm_add_relu backward").at(0) == "2.0");
  CHECK(row(table, "batch_norm forward").at(0) == "1.0");
  CHECK(row(table, "relu forward").empty());
  CHECK(row(table, "cross_entropy backward").at(0) == "1.0");
  CHECK(row(table, "linear forward").size() == 6);
  CHECK(row(table, "data wait").size() == 3);  // neither arithmetic nor traffic
  CHECK(row(table, "all of 2 steps").at(1) == "100.0%");
  double shares = 0;
  std::istringstream lines(table.substr(0, table.find("all of")));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) shares += std::stod(line.substr(64, 7));
  CHECK(shares == doctest::Approx(100).epsilon(0.02));
}

TEST_CASE("traffic of the update: gradient, parameter and velocity") {
  Steps steps;
  Profile profile;
  steps.run(profile);
  const double bytes = 5. * 4 * static_cast<double>(steps.net->parameter_count());
  CHECK(row(profile.table(), "sgd update").back() == fmt::format("{:.2f}", bytes / 1e6));
}

TEST_CASE("convolutions are listed by sizes with the engine of each pass") {
  Steps steps;
  Profile profile;
  steps.run(profile);
  const std::string table = profile.table();
  CAPTURE(table);
  const auto engine = [](std::int64_t c_in, std::int64_t c_out, std::int64_t k, std::int64_t stride,
                         kernels::Conv2dPass pass) {
    const std::int64_t pad = k / 2;
    return std::string(kernels::choose_conv2d<float>(
                           {2, c_in, 8, 8, c_out, k, k, stride, stride, pad, pad, 1, 1, 1}, pass)
                           .name());
  };
  using enum kernels::Conv2dPass;
  CHECK(row(table, "3x3 3->4 @8x8 forward, " + engine(3, 4, 3, 1, forward)).at(0) == "1.0");
  CHECK(row(table, "3x3 4->4 @8x8 backward_input, " + engine(4, 4, 3, 1, backward_input)).at(0) ==
        "2.0");
  CHECK(row(table, "1x1 4->8 /2 @8x8 backward_weight, " + engine(4, 8, 1, 2, backward_weight))
            .at(0) == "1.0");
  CHECK(table.find("3x3 3->4 @8x8 backward_input") == std::string::npos);
}

TEST_CASE("the time since the last piece is that of the piece that ends") {
  Profile profile(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  profile.mark("first");
  profile.mark("second");
  profile.end_step();
  CHECK(std::stod(row(profile.table(), "first").at(1)) >= 20);
  CHECK(profile.seconds() >= 0.02);
}

TEST_CASE("the trace has the first steps, with their pieces inside") {
  Steps steps;
  Profile profile(2);
  for (int i = 0; i < 3; ++i) steps.run(profile);
  const auto trace = nlohmann::json::parse(profile.trace());
  const auto& events = trace.at("traceEvents");
  double begin = 0, end = 0;
  int step = 0, pieces = 0, convolutions = 0;
  for (const auto& event : events) {
    CHECK(event.at("ph") == "X");
    const double ts = event.at("ts"), dur = event.at("dur");
    if (event.at("cat") == "step") {
      CHECK(event.at("name") == "step " + std::to_string(++step));
      CHECK(ts >= end - 1e-3);
      begin = ts;
      end = ts + dur;
      continue;
    }
    ++pieces;
    CHECK(ts >= begin - 1e-3);
    CHECK(ts + dur <= end + 1e-3);
    if (event.at("name") == "conv2d forward" ||
        event.at("name") == "batch_norm_relu_conv2d forward") {
      ++convolutions;
      CHECK(event.at("args").at("flops") > 0);
      CHECK(event.at("args").at("bytes") > 0);
      CHECK_FALSE(event.at("args").at("engine").get<std::string>().empty());
      CHECK(event.at("args").at("shape").get<std::string>().find("->") != std::string::npos);
    }
  }
  CHECK(step == 2);
  CHECK(convolutions == 12);
  CHECK(pieces > 60);
}

TEST_CASE("nothing is seen after its end, and an unfinished step is not in the table's count") {
  Steps steps;
  {
    Profile profile;
    CHECK(WorkObserver::active());
    CHECK(profile.table().find("all of 0 steps") != std::string::npos);
  }
  CHECK_FALSE(WorkObserver::active());
}
