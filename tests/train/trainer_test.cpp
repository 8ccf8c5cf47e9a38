#include "train/trainer.h"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "core/allocator.h"
#include "core/check.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/tiny_run.h"
#include "train/signals.h"

using namespace resgrad;
namespace fs = std::filesystem;

namespace {

RunOptions tiny_options(const fs::path& folder) {
  RunOptions o;
  o.output_dir = folder.string();
  o.quiet = true;
  o.epochs = 2;
  o.batch_size = 16;
  o.dataset = "synthetic";
  return o;
}

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

// metrics.csv without its last two columns, the times.
std::string without_times(const fs::path& file) {
  std::istringstream in(text_of(file));
  std::string out;
  for (std::string line; std::getline(in, line);) {
    line.erase(line.find_last_of(','));
    out += line.substr(0, line.find_last_of(',')) + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("a run leaves settings, metrics, log and weights") {
  const TemporaryFolder folder;
  const auto net = tiny_net();
  const TrainResult result =
      run_training(*net, tiny_splits(), tiny_options(folder.path() / "run"), {.model = "tiny"});
  REQUIRE(result.epochs.size() == 2);
  CHECK(result.signal == 0);
  CHECK(result.epochs[1].step == 10);
  CHECK(result.epochs[1].epoch == 2);
  for (const char* file :
       {"args.json", "metrics.csv", "train.log", "last.safetensors", "best.safetensors"}) {
    CAPTURE(file);
    CHECK(fs::file_size(folder.path() / "run" / file) > 0);
  }
  CHECK(read_checkpoint_info(folder.path() / "run" / "last.safetensors").step == 10);
}

TEST_CASE("the same seed gives the same metrics and weights, bit for bit") {
  const TemporaryFolder folder;
  for (const char* name : {"a", "b", "c"}) {
    RunOptions o = tiny_options(folder.path() / name);
    o.workers = *name == 'b' ? 2 : 1;
    if (*name == 'c') o.seed = 2;
    const auto net = tiny_net();
    run_training(*net, tiny_splits(), o, {.model = "tiny"});
  }
  const auto file = [&](const char* name, const char* what) { return folder.path() / name / what; };
  CHECK(without_times(file("a", "metrics.csv")) == without_times(file("b", "metrics.csv")));
  CHECK(text_of(file("a", "last.safetensors")) == text_of(file("b", "last.safetensors")));
  CHECK(without_times(file("a", "metrics.csv")) != without_times(file("c", "metrics.csv")));
}

TEST_CASE("max_steps and limits end a run early") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.max_steps = 7;
  const auto net = tiny_net();
  const TrainResult result = run_training(*net, tiny_splits(), o, {});
  CHECK(result.epochs.back().step == 7);
  o.max_steps = 0;
  o.limit_train_batches = 2;
  o.limit_eval_batches = 1;
  CHECK(run_training(*net, tiny_splits(), o, {}).epochs.back().step == 4);
}

TEST_CASE("results of an earlier run in the folder are kept under another name") {
  const TemporaryFolder folder;
  const RunOptions o = tiny_options(folder.path() / "run");
  for (int i = 0; i < 3; ++i) run_training(*tiny_net(), tiny_splits(), o, {});
  CHECK(fs::exists(folder.path() / "run" / "metrics.csv"));
  CHECK(fs::exists(folder.path() / "run.previous-1" / "last.safetensors"));
  CHECK(fs::exists(folder.path() / "run.previous-2" / "metrics.csv"));
  CHECK_FALSE(fs::exists(folder.path() / "run.previous-3"));
}

TEST_CASE("a loss that is not finite ends the run with an error that names the step") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.lr = 1e30;
  try {
    run_training(*tiny_net(), tiny_splits(), o, {});
    FAIL("expected an error");
  } catch (const StateError& error) {
    CHECK(std::string(error.what()).find("expected a finite loss, got") != std::string::npos);
  }
}

TEST_CASE("a signal ends the run after the step, with the weights written") {
  const TemporaryFolder folder;
  const StopSignals signals;
  std::raise(SIGINT);
  const TrainResult result =
      run_training(*tiny_net(), tiny_splits(), tiny_options(folder.path() / "run"), {});
  CHECK(result.signal == SIGINT);
  CHECK(fs::exists(folder.path() / "run" / "last.safetensors"));
  CHECK_FALSE(fs::exists(folder.path() / "run" / "best.safetensors"));
}

TEST_CASE("settings out of range and folders that cannot be made are errors") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.batch_size = 1000;
  CHECK_THROWS_WITH_AS(run_training(*tiny_net(), tiny_splits(), o, {}),
                       "train: batch size: expected at most the 80 training images, got 1000",
                       ValueError);
  CHECK_THROWS_AS(run_training(*tiny_net(), tiny_splits(), tiny_options("/dev/null/run"), {}),
                  IoError);
}
