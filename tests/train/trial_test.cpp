#include "train/trial.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/run_results.h"
#include "tests/train/tiny_run.h"
#include "train/trainer.h"

using namespace resgrad;

namespace {

RunOptions options(const std::filesystem::path& folder) {
  RunOptions o = tiny_options(folder);
  o.lr_scheduler = "onecycle";
  o.accumulate = 2;
  o.mixup = 0.5;
  return o;
}

}  // namespace

TEST_CASE("the updates are those of the run, over the ends of its epochs, and no file is there") {
  const TemporaryFolder folder;
  const RunOptions o = options(folder.path() / "run");
  const auto net = tiny_net(), trained = tiny_net();
  Trial trial(*net, tiny_splits(), o);
  CHECK(trial.length().steps_per_epoch == 2);  // 5 batches
  CHECK(trial.length().total_steps == 4);
  for (int i = 0; i < 4; ++i) CHECK(trial.step().images == 32);
  CHECK_FALSE(std::filesystem::exists(o.output_dir));
  run_training(*trained, tiny_splits(), o, {});
  CHECK(same_tensors(net->named_parameters(), trained->named_parameters()));
  trial.step();  // beyond the run
  CHECK_FALSE(same_tensors(net->named_parameters(), trained->named_parameters()));
  CHECK(trial.wait_seconds() > 0);
}

TEST_CASE("an update may have a rate of its own") {
  const auto net = tiny_net(), same = tiny_net();
  RunOptions o = options("run");
  o.weight_decay = 0;
  Trial trial(*net, tiny_splits(), o);
  trial.step(0);
  CHECK(same_tensors(net->named_parameters(), same->named_parameters()));
  trial.step(0.1);
  CHECK_FALSE(same_tensors(net->named_parameters(), same->named_parameters()));
}

TEST_CASE("settings that a run refuses are refused") {
  RunOptions o = tiny_options("run");
  o.batch_size = 1000;
  CHECK_THROWS_AS(Trial(*tiny_net(), tiny_splits(), o), ValueError);
}
