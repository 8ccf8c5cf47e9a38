#include "train/log/metrics_jsonl.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/check.h"
#include "tests/support/files.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
using testing::read_text;
using testing::TemporaryFolder;

StepMetrics at_step(std::int64_t step) {
  return {.step = step,
          .epoch = 2,
          .loss = 1.0 / 3,
          .top1 = 56.78,
          .lr = 0.1,
          .images_per_s = 940.2468,
          .data_wait = 0.012345};
}

std::vector<std::int64_t> steps_in(const fs::path& path) {
  std::vector<std::int64_t> steps;
  std::istringstream text(read_text(path));
  for (std::string line; std::getline(text, line);) {
    steps.push_back(nlohmann::json::parse(line)["step"].get<std::int64_t>());
  }
  return steps;
}

TEST_CASE("a line is a JSON object with what was measured") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "metrics.jsonl";
  MetricsJsonl file(path);
  CHECK_EQ(read_text(path), "");
  file.append(at_step(50));
  StepMetrics unmeasured = at_step(100);
  unmeasured.images_per_s = INFINITY;
  unmeasured.grad_norm = 2.5;
  file.append(unmeasured);
  const std::string text = read_text(path);
  const std::string expected = R"({"step":50,"epoch":2,"loss":0.3333333333333333,"top1":56.78,)"
                               R"("lr":0.1,"images_per_s":940.2,"data_wait":0.0123,"time":)";
  CHECK_EQ(text.substr(0, expected.size()), expected);
  const auto second = nlohmann::json::parse(text.substr(text.find('\n')));
  CHECK_EQ(second["step"], 100);
  CHECK(second["images_per_s"].is_null());
  CHECK_EQ(second["grad_norm"], 2.5);
  CHECK_GT(second["time"].get<double>(), 1.6e9);
}

TEST_CASE("a continued file keeps the lines up to the step, a new one none") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "metrics.jsonl";
  {
    MetricsJsonl file(path, 7);  // nothing to go on with
    for (const std::int64_t step : {10, 20, 30, 40}) file.append(at_step(step));
  }
  std::ofstream(path, std::ios::app) << R"({"step":50,"ep)";
  const std::string whole = read_text(path);
  {
    MetricsJsonl file(path, 29);
    CHECK_EQ(read_text(path), whole.substr(0, whole.find("{\"step\":30")));
    file.append(at_step(30));
  }
  CHECK_EQ(steps_in(path), std::vector<std::int64_t>{10, 20, 30});
  MetricsJsonl file(path, 30);
  CHECK_EQ(steps_in(path), std::vector<std::int64_t>{10, 20, 30});
  MetricsJsonl anew(path);
  CHECK_EQ(read_text(path), "");
}

TEST_CASE("lines that are no records do not keep a run from going on: they are dropped and told") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "metrics.jsonl";
  for (const char* line :
       {"", "step", "[1]", "{}", R"({"step":"1"})", R"({"step":1.5})", R"({"step":-1})",
        R"({"step":18446744073709551615})", "\xff\xfe\xba", "{\"step\":3"}) {
    CAPTURE(line);
    std::ofstream(path) << "{\"step\":1}\n" << line << "\n{\"step\":2}\n" << line << "\n";
    const MetricsJsonl file(path, 5);
    CHECK_EQ(read_text(path), "{\"step\":1}\n{\"step\":2}\n");
    CHECK_EQ(file.unreadable().count, 2);
    CHECK_EQ(file.unreadable().first, 2);
  }
  std::ofstream(path) << std::string(7, '\0') << "\n";  // as a power failure leaves it
  CHECK_EQ(MetricsJsonl(path, 5).unreadable().count, 1);
}

TEST_CASE("a file that cannot be written is an error") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(MetricsJsonl(folder.path() / "missing" / "metrics.jsonl"), IoError);
}

}  // namespace
}  // namespace resgrad
