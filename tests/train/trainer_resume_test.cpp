// Training runs that are stopped, resumed and made longer.
#include <doctest/doctest.h>

#include <cmath>

#include "core/check.h"
#include "nn/nn.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/run_results.h"
#include "tests/train/tiny_run.h"
#include "train/trainer.h"

using namespace resgrad;
namespace fs = std::filesystem;

TEST_CASE("a run that was stopped at any step and resumed ends with the same bytes") {
  const TemporaryFolder folder;
  const auto make_net = [] {
    const init::InitScope scope(1);
    return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
        std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.stride = 8}),
        std::make_shared<BatchNorm2d>(4), std::make_shared<ReLU>(), std::make_shared<Flatten>(),
        std::make_shared<StochasticDepth>(0.3, 6), std::make_shared<Dropout>(0.3, 5),
        std::make_shared<Linear>(64, 10)});
  };
  RunOptions settings;
  SUBCASE("sgd") {}
  SUBCASE("adamw") {  // with beta1 that follows the learning rate
    settings.optimizer = "adamw";
    settings.lr_scheduler = "onecycle";
  }
  const auto options = [&](const std::string& name) {
    RunOptions o = tiny_options(folder.path() / name);
    o.optimizer = settings.optimizer;
    o.lr_scheduler = settings.lr_scheduler;
    o.batch_size = 8;
    o.accumulate = 2;
    o.clip_grad_norm = 1;
    o.ema_decay = 0.9;
    o.mixup = o.cutmix = o.random_erasing = 0.5;
    o.label_smoothing = 0.1;
    return o;
  };
  const fs::path whole = folder.path() / "whole";
  run_training(*make_net(), tiny_splits(), options("whole"), {});
  for (int step = 0; step <= 10; ++step) {
    CAPTURE(step);
    RunOptions o = options("stopped" + std::to_string(step));
    o.resume = "auto";
    {
      const StopAfter stop(std::max(0, 2 * step - 1));  // the first batch of an update
      const TrainResult stopped = run_training(*make_net(), tiny_splits(), o, {}, stop.token());
      CHECK(stopped.stopped);
      CHECK(std::ssize(stopped.epochs) == std::max(0, step - 1) / 5);
      CHECK(read_checkpoint(fs::path(o.output_dir) / "last.safetensors").info.step == step);
    }
    const TrainResult result = run_training(*make_net(), tiny_splits(), o, {});
    CHECK(result.epochs.size() == 2);
    for (const char* file : {"last.safetensors", "best.safetensors", "ema.safetensors"}) {
      CHECK(text_of(fs::path(o.output_dir) / file) == text_of(whole / file));
    }
    CHECK(without_times(fs::path(o.output_dir) / "metrics.csv") ==
          without_times(whole / "metrics.csv"));
  }
}

TEST_CASE("a finished run can be made longer, and goes on as if it had been so from the start") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "long");
  o.lr_scheduler = "constant";
  run_training(*tiny_net(), tiny_splits(), o, {});
  o.output_dir = (folder.path() / "short").string();
  o.max_steps = 7;  // within the second epoch, which has its row all the same
  CHECK(run_training(*tiny_net(), tiny_splits(), o, {}).epochs.size() == 2);
  o.max_steps = 0;
  o.resume = "auto";
  CHECK(run_training(*tiny_net(), tiny_splits(), o, {}).epochs.size() == 2);
  CHECK(without_times(folder.path() / "short" / "metrics.csv") ==
        without_times(folder.path() / "long" / "metrics.csv"));
  CHECK(same_tensors(read_checkpoint(folder.path() / "short" / "last.safetensors").model,
                     read_checkpoint(folder.path() / "long" / "last.safetensors").model));
}

TEST_CASE("an evaluation that max_steps brought leaves no trace when the run goes further") {
  const auto make_net = [] {  // one that is better after each epoch
    const init::InitScope scope(1);
    return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
        std::make_shared<Flatten>(), std::make_shared<Linear>(3 * 32 * 32, 10)});
  };
  const TemporaryFolder folder;
  int displaced = 0;
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const auto options = [&](const std::string& name) {
      RunOptions o = tiny_options(folder.path() / (name + std::to_string(seed)));
      o.epochs = 3;
      o.seed = seed;
      o.lr = 0.001;
      o.no_augment = true;
      if (seed == 2) o.ema_decay = 0.9;  // the best is that of other weights
      return o;
    };
    const fs::path whole = options("whole").output_dir;
    run_training(*make_net(), tiny_splits(), options("whole"), {});
    for (const std::int64_t max_steps : {1, 3, 6, 7, 8, 9, 11, 12, 13, 14}) {
      CAPTURE(seed);
      CAPTURE(max_steps);
      RunOptions o = options("cut" + std::to_string(max_steps) + "-");
      const fs::path run = o.output_dir;
      o.max_steps = max_steps;
      run_training(*make_net(), tiny_splits(), o, {});
      displaced += fs::exists(run / "best.1.safetensors");
      o.max_steps = 0;
      o.resume = "auto";
      if (seed == 3) {
        o.resume = run.string();
        o.output_dir = run.string() + "-on";
      }
      const fs::path on = o.output_dir;
      {  // stopped before an evaluation could take the place of the one that is gone
        const StopAfter stop(1);
        const TrainResult stopped = run_training(*make_net(), tiny_splits(), o, {}, stop.token());
        if (stopped.epochs.empty()) {
          CHECK_FALSE(fs::exists(on / "best.safetensors"));
        } else {
          const std::int64_t best = read_checkpoint_info(on / "best.safetensors").step;
          CHECK(std::ranges::count(stopped.epochs, best, &EpochMetrics::step) == 1);
        }
      }
      o.resume = "auto";
      run_training(*make_net(), tiny_splits(), o, {});
      CHECK(text_of(on / "last.safetensors") == text_of(whole / "last.safetensors"));
      CHECK(text_of(on / "best.safetensors") == text_of(whole / "best.safetensors"));
      CHECK(without_times(on / "metrics.csv") == without_times(whole / "metrics.csv"));
      CHECK_FALSE(fs::exists(on / "best.1.safetensors"));
    }
  }
  CHECK(displaced > 0);  // an earlier best that had to come back
}

TEST_CASE("a run that stops early does so at the same epoch when it was interrupted and resumed") {
  const TemporaryFolder folder;
  const auto options = [&](const std::string& name) {
    RunOptions o = tiny_options(folder.path() / name);
    o.epochs = 20;
    o.lr = 1e-9;  // nothing is learnt: the second evaluation is the best for good
    o.lr_scheduler = "constant";
    o.no_augment = true;
    o.eval_every = 2;
    o.patience = 2;
    o.min_delta = 50;
    o.resume = "auto";
    return o;
  };
  const fs::path whole = options("whole").output_dir;
  const TrainResult result = run_training(*tiny_net(), tiny_splits(), options("whole"), {});
  REQUIRE(result.epochs.size() == 6);  // a gain after 2, none after 4 and 6
  for (const EpochMetrics& epoch : result.epochs) {
    CHECK(std::isnan(epoch.test_top1) == (epoch.epoch % 2 == 1));
    CHECK(std::isnan(epoch.test_loss) == (epoch.epoch % 2 == 1));
    CHECK(std::isfinite(epoch.train_loss));
  }
  CHECK(text_of(whole / "train.log")
            .find("stopped early, after epoch 6 of 20: no better test "
                  "top-1 in the last 2 evaluations") != std::string::npos);
  for (const int batches : {1, 12, 20, 21, 29, 30}) {
    CAPTURE(batches);
    const RunOptions o = options("stopped" + std::to_string(batches));
    {
      const StopAfter stop(batches);
      run_training(*tiny_net(), tiny_splits(), o, {}, stop.token());
    }
    CHECK(run_training(*tiny_net(), tiny_splits(), o, {}).epochs.size() == 6);
    for (const char* file : {"last.safetensors", "best.safetensors"}) {
      CHECK(text_of(fs::path(o.output_dir) / file) == text_of(whole / file));
    }
  }
  // a finished run stays so
  CHECK(run_training(*tiny_net(), tiny_splits(), options("whole"), {}).epochs.size() == 6);
}

TEST_CASE("a run with few evaluations that is made longer is as if it had been so from the start") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "long");
  o.epochs = 4;
  o.lr = 0.001;
  o.lr_scheduler = "constant";
  o.eval_every = 3;
  run_training(*tiny_net(), tiny_splits(), o, {});
  const fs::path whole = o.output_dir;
  for (const std::int64_t max_steps : {5, 10, 12, 15}) {
    CAPTURE(max_steps);
    o.output_dir = (folder.path() / std::to_string(max_steps)).string();
    o.resume = "auto";
    o.max_steps = max_steps;
    const TrainResult cut = run_training(*tiny_net(), tiny_splits(), o, {});
    CHECK(std::isfinite(cut.epochs.back().test_top1));  // the end is evaluated
    o.max_steps = 0;
    run_training(*tiny_net(), tiny_splits(), o, {});
    const fs::path run = o.output_dir;
    for (const char* file : {"last.safetensors", "best.safetensors"}) {
      CHECK(text_of(run / file) == text_of(whole / file));
    }
    CHECK(without_times(run / "metrics.csv") == without_times(whole / "metrics.csv"));
    // the best before the end, for a run that is made longer still
    CHECK(fs::exists(run / "best.1.safetensors") == fs::exists(whole / "best.1.safetensors"));
  }
}

TEST_CASE("a run that lost the weights of its best epoch says so and takes the next") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.max_steps = 5;
  const fs::path best = folder.path() / "run" / "best.safetensors";
  run_training(*tiny_net(), tiny_splits(), o, {});
  const std::string first = text_of(best);
  fs::remove(best);
  o.resume = "auto";
  run_training(*tiny_net(), tiny_splits(), o, {});  // its state is still there: written anew
  CHECK(text_of(best) == first);
  o.max_steps = 0;
  {
    const StopAfter stop(2);
    run_training(*tiny_net(), tiny_splits(), o, {}, stop.token());
  }
  fs::remove(best);
  run_training(*tiny_net(), tiny_splits(), o, {});
  CHECK(read_checkpoint_info(best).step == 10);
  CHECK(text_of(folder.path() / "run" / "train.log")
            .find("the weights of the best epoch, 1, are not there") != std::string::npos);
}

TEST_CASE("a run goes on in another folder, and leaves the first as it is") {
  const TemporaryFolder folder;
  const fs::path first = folder.path() / "first", second = folder.path() / "second";
  RunOptions o = tiny_options(first);
  {
    const StopAfter stop(7);
    run_training(*tiny_net(), tiny_splits(), o, {}, stop.token());
  }
  const std::string before = text_of(first / "last.safetensors");
  o.resume = (first / "last.safetensors").string();
  o.output_dir = second.string();
  const TrainResult result = run_training(*tiny_net(), tiny_splits(), o, {});
  CHECK(result.epochs.size() == 2);
  CHECK(result.epochs[0].seconds >= 0);  // taken from the first folder's metrics.csv
  CHECK(text_of(first / "last.safetensors") == before);
  CHECK(fs::exists(second / "best.safetensors"));
  run_training(*tiny_net(), tiny_splits(), tiny_options(folder.path() / "whole"), {});
  CHECK(text_of(second / "last.safetensors") ==
        text_of(folder.path() / "whole" / "last.safetensors"));
}

TEST_CASE("a checkpoint of another run is an error that touches nothing") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  run_training(*tiny_net(), tiny_splits(), o, {});
  o.resume = "auto";
  const std::string before = text_of(folder.path() / "run" / "train.log");
  const auto failure = [&](const RunOptions& options, Module& net, const data::DataSplits& data) {
    try {
      run_training(net, data, options, {});
    } catch (const ValueError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  RunOptions other = o;
  other.lr = 0.5;
  CHECK(failure(other, *tiny_net(), tiny_splits()).find("lr is 0.1 there and 0.5 here") !=
        std::string::npos);
  ResNet wider({.stem_channels = 4, .blocks = {1, 1}, .channels = {4, 16}});
  CHECK(failure(o, wider, tiny_splits())
            .find("expected float32 [16, 4, 3, 3], got float32 [8, 4, 3, 3]") != std::string::npos);
  CHECK(failure(o, *tiny_net(), tiny_splits(64))
            .find("expected the 80 training images that it was made with, got 64") !=
        std::string::npos);
  CHECK(text_of(folder.path() / "run" / "train.log") == before);
}

TEST_CASE("a run that is made to end where it stands, without an evaluation, is evaluated there") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "long");
  o.eval_every = 2;
  run_training(*tiny_net(), tiny_splits(), o, {.model = "tiny"});
  const fs::path after_one_epoch = folder.path() / "long" / "last.1.safetensors";
  REQUIRE(read_checkpoint_info(after_one_epoch).step == 5);
  RunOptions resumed = o, whole = o;
  resumed.max_steps = whole.max_steps = 5;
  resumed.output_dir = (folder.path() / "resumed").string();
  resumed.resume = after_one_epoch.string();
  whole.output_dir = (folder.path() / "whole").string();
  for (const RunOptions& options : {resumed, whole}) {
    const TrainResult result = run_training(*tiny_net(), tiny_splits(), options, {.model = "tiny"});
    REQUIRE(result.epochs.size() == 1);
    CHECK_FALSE(std::isnan(result.epochs[0].test_top1));
  }
  for (const char* file : {"last.safetensors", "best.safetensors"}) {
    CHECK(text_of(folder.path() / "resumed" / file) == text_of(folder.path() / "whole" / file));
  }
  CHECK(without_times(folder.path() / "resumed" / "metrics.csv") ==
        without_times(folder.path() / "whole" / "metrics.csv"));
}

TEST_CASE("a run does not go on with other data of as many images") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  run_training(*tiny_net(), tiny_splits(), o, {.model = "tiny"});
  data::DataSplits other = tiny_splits();
  other.test = std::make_shared<const data::Dataset>(
      data::make_synthetic(data::Split::test, other.test->size(), 1));
  o.resume = "auto";
  o.epochs = 3;
  o.lr_scheduler = "constant";
  CHECK_THROWS_AS(run_training(*tiny_net(), other, o, {.model = "tiny"}), ValueError);
}
