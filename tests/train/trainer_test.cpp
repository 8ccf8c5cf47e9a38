#include "train/trainer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/check.h"
#include "nn/nn.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/run_results.h"
#include "tests/train/tiny_run.h"
#include "train/evaluate.h"
#include "train/io/safetensors.h"

using namespace resgrad;
namespace fs = std::filesystem;

namespace {

// What comes before the first point of the names in a file.
std::set<std::string> kinds_of_tensors(const fs::path& file) {
  std::set<std::string> kinds;
  for (const NamedTensor& t : read_safetensors(file).tensors) {
    kinds.insert(t.name.substr(0, t.name.find('.')));
  }
  return kinds;
}

}  // namespace

TEST_CASE("a run leaves settings, metrics, log and weights") {
  const TemporaryFolder folder;
  const auto net = tiny_net();
  const TrainResult result =
      run_training(*net, tiny_splits(), tiny_options(folder.path() / "run"), {.model = "tiny"});
  REQUIRE(result.epochs.size() == 2);
  CHECK_FALSE(result.stopped);
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
    o.mixup = 0.4;
    const auto net = tiny_net();
    run_training(*net, tiny_splits(), o, {.model = "tiny"});
  }
  const auto file = [&](const char* name, const char* what) { return folder.path() / name / what; };
  CHECK(without_times(file("a", "metrics.csv")) == without_times(file("b", "metrics.csv")));
  CHECK(text_of(file("a", "last.safetensors")) == text_of(file("b", "last.safetensors")));
  CHECK(without_times(file("a", "metrics.csv")) != without_times(file("c", "metrics.csv")));
}

TEST_CASE("a layer that was frozen by eval() stays frozen through training and evaluation") {
  const TemporaryFolder folder;
  const auto net = tiny_net();
  std::vector<BatchNorm2d*> norms;
  net->apply([&](Module& module) {
    if (auto* norm = dynamic_cast<BatchNorm2d*>(&module)) norms.push_back(norm);
  });
  norms[0]->eval();
  run_training(*net, tiny_splits(), tiny_options(folder.path() / "run"), {});
  const auto running_mean = [](BatchNorm2d* norm) {
    return norm->named_buffers()[0].tensor.to_vector<float>();
  };
  CHECK_FALSE(norms[0]->is_training());
  CHECK(running_mean(norms[0]) == std::vector<float>(4, 0));
  CHECK(norms[1]->is_training());
  CHECK(running_mean(norms[1]) != std::vector<float>(4, 0));
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

TEST_CASE("averaged weights are evaluated beside the plain ones and written to a weights file") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "plain");
  const auto plain = tiny_net(), net = tiny_net();
  run_training(*plain, tiny_splits(), o, {});
  CHECK_FALSE(fs::exists(folder.path() / "plain" / "ema.safetensors"));
  o.output_dir = (folder.path() / "run").string();
  o.ema_decay = 0.9;
  const TrainResult result = run_training(*net, tiny_splits(), o, {.model = "tiny"});
  CHECK(same_tensors(net->state_dict(), plain->state_dict()));  // training is as without it

  const fs::path run = folder.path() / "run";
  const Checkpoint last = read_checkpoint(run / "last.safetensors");
  const Checkpoint ema = read_checkpoint(run / "ema.safetensors");
  CHECK(same_tensors(last.ema, ema.model));
  CHECK_FALSE(same_tensors(last.model, ema.model));
  CHECK(ema.info.model == "tiny");
  CHECK(ema.info.step == 10);
  CHECK_FALSE(ema.state);
  const auto evaluated = [&](const char* file) {
    load_weights(run / file, *net);
    const data::DataSplits data = tiny_splits();
    data::Loader loader(data.test, {.batch_size = 16, .normalisation = data.normalisation});
    return evaluate(*net, loader, 10);
  };
  const Evaluation evaluation = evaluated("ema.safetensors");
  CHECK(result.epochs[1].ema_test_loss == evaluation.loss);
  CHECK(result.epochs[1].ema_test_top1 == evaluation.top1);
  CHECK(result.epochs[1].test_loss != evaluation.loss);
  // the best is chosen among them, and is one of them
  const auto first_is_best = result.epochs[0].ema_test_top1 >= result.epochs[1].ema_test_top1;
  const EpochMetrics& best = result.epochs[first_is_best ? 0 : 1];
  CHECK(read_checkpoint_info(run / "best.safetensors").step == best.step);
  CHECK(evaluated("best.safetensors").loss == best.ema_test_loss);
  CHECK(read_metrics_csv(run / "metrics.csv")[0].ema_test_loss == result.epochs[0].ema_test_loss);
}

TEST_CASE("cutting and mixing change the training images, with and without crop and flip") {
  const TemporaryFolder folder;
  std::set<double> losses;
  const auto train = [&](const char* name, const auto& change) {
    RunOptions o = tiny_options(folder.path() / name);
    o.epochs = 1;
    change(o);
    const TrainResult result = run_training(*tiny_net(), tiny_splits(), o, {});
    CHECK(result.epochs[0].train_top1 >= 0);
    CHECK(result.epochs[0].train_top1 <= 100);
    losses.insert(result.epochs[0].train_loss);
  };
  for (const bool no_augment : {false, true}) {
    const auto with = [&](const char* name, auto RunOptions::*member, double value) {
      train(name, [&](RunOptions& o) {
        o.no_augment = no_augment;
        o.*member = static_cast<std::remove_reference_t<decltype(o.*member)>>(value);
      });
    };
    with("plain", &RunOptions::label_smoothing, 0);
    with("cutout", &RunOptions::cutout, 8);
    with("erasing", &RunOptions::random_erasing, 1);
    with("mixup", &RunOptions::mixup, 1);
    with("cutmix", &RunOptions::cutmix, 1);
  }
  CHECK(losses.size() == 10);
  // a batch to learn by heart stays as it is
  losses.clear();
  train("overfit", [](RunOptions& o) { o.overfit_batch = true; });
  train("overfit", [](RunOptions& o) {
    o.overfit_batch = true;
    o.mixup = o.cutmix = o.random_erasing = 1;
    o.cutout = 8;
  });
  CHECK(losses.size() == 1);
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

TEST_CASE("weights without settings are an earlier run too, for auto as well") {
  for (const char* resume : {"", "auto"}) {
    const TemporaryFolder folder;
    const fs::path run = folder.path() / "run";
    RunOptions o = tiny_options(run);
    o.epochs = 1;
    run_training(*tiny_net(), tiny_splits(), o, {});
    const std::string best = text_of(run / "best.safetensors");
    fs::remove(run / "args.json");
    fs::remove(run / "last.safetensors");
    o.seed = 2;
    o.resume = resume;
    run_training(*tiny_net(), tiny_splits(), o, {});
    CHECK(text_of(folder.path() / "run.previous-1" / "best.safetensors") == best);
    CHECK(fs::exists(run / "last.safetensors"));
  }
}

TEST_CASE("earlier results are deleted if asked for, but not by a run that goes on") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.overwrite = true;
  o.epochs = 1;
  run_training(*tiny_net(), tiny_splits(), o, {});
  run_training(*tiny_net(), tiny_splits(), o, {});
  CHECK_FALSE(fs::exists(folder.path() / "run.previous-1"));
  const std::string log = text_of(folder.path() / "run" / "train.log");
  o.resume = "auto";
  run_training(*tiny_net(), tiny_splits(), o, {});
  CHECK(text_of(folder.path() / "run" / "train.log").starts_with(log));
}

TEST_CASE("a loss that is not finite ends the run with an error that names the step") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.lr = 1e30;
  try {
    run_training(*tiny_net(), tiny_splits(), o, {});
    FAIL("expected an error");
  } catch (const StateError& error) {
    CHECK(std::string(error.what()).find("expected finite loss and gradients, got loss ") !=
          std::string::npos);
    CHECK(std::string(error.what()).find("layer ") != std::string::npos);
  }
  // the state before the update and the batch
  CHECK(kinds_of_tensors(folder.path() / "run" / "nonfinite.safetensors") ==
        std::set<std::string>{"model", "optimizer", "batch"});
}

TEST_CASE("a gradient that is not finite stops before the update") {
  const TemporaryFolder folder;
  const auto net = tiny_net();
  const Tensor weight = net->named_parameters().back().tensor;
  int calls = 0;
  weight.register_hook([&calls](const Tensor& g) {
    return ++calls == 3 ? Tensor::full(g.shape(), std::nan("")) : Tensor();
  });
  CHECK_THROWS_AS(run_training(*net, tiny_splits(), tiny_options(folder.path() / "run"), {}),
                  StateError);
  CHECK(calls == 3);
  for (double v : weight.to_vector<double>()) CHECK(std::isfinite(v));
  const Checkpoint saved = read_checkpoint(folder.path() / "run" / "nonfinite.safetensors");
  CHECK(saved.info.step == 2);
  CHECK(kinds_of_tensors(folder.path() / "run" / "nonfinite.safetensors") ==
        std::set<std::string>{"model", "optimizer", "gradient", "batch"});
}

TEST_CASE("a run counts what it skips, and records the norms that it clips") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.on_nonfinite = "skip";
  o.clip_grad_norm = 1;
  o.print_freq = 1;
  const auto net = tiny_net();
  int calls = 0;
  net->named_parameters().back().tensor.register_hook([&calls](const Tensor& g) {
    return ++calls == 3 ? Tensor::full(g.shape(), std::nan("")) : Tensor();
  });
  const TrainResult result = run_training(*net, tiny_splits(), o, {});
  CHECK(std::isfinite(result.epochs[0].train_loss));
  const Checkpoint last = read_checkpoint(folder.path() / "run" / "last.safetensors");
  CHECK(last.state->skipped == 1);
  CHECK(last.info.step == 10);
  std::istringstream steps(text_of(folder.path() / "run" / "metrics.jsonl"));
  int lines = 0;
  for (std::string line; std::getline(steps, line); ++lines) {
    const auto norm = nlohmann::json::parse(line).at("grad_norm");
    CHECK(norm.is_null() == (lines == 2));
  }
  CHECK(lines == 10);
}

TEST_CASE("an epoch without a finite update is an error") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.on_nonfinite = "skip";
  const auto net = tiny_net();
  net->named_parameters().back().tensor.register_hook(
      [](const Tensor& g) { return Tensor::full(g.shape(), INFINITY); });
  CHECK_THROWS_WITH_AS(run_training(*net, tiny_splits(), o, {}),
                       "train: epoch 1: expected an update with finite values, got none: all 5 "
                       "were skipped",
                       StateError);
}

TEST_CASE("an evaluation that is not finite stops the run, or is never the best") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.epochs = 1;
  o.limit_train_batches = 1;
  o.lr_scheduler = "constant";
  o.lr = 1e30;
  CHECK_THROWS_WITH_AS(
      run_training(*tiny_net(), tiny_splits(), o, {}),
      doctest::Contains("train: epoch 1: expected an evaluation with a finite loss, got "),
      StateError);
  const fs::path run = folder.path() / "run";
  CHECK(read_checkpoint(run / "nonfinite.safetensors").info.step == 1);
  CHECK_FALSE(fs::exists(run / "last.safetensors"));
  o.on_nonfinite = "skip";
  const TrainResult result = run_training(*tiny_net(), tiny_splits(), o, {});
  CHECK_FALSE(std::isfinite(result.epochs.at(0).test_loss));
  CHECK(fs::exists(run / "last.safetensors"));
  CHECK_FALSE(fs::exists(run / "best.safetensors"));
}

TEST_CASE("a request to stop ends the run after the step, with the weights written") {
  const TemporaryFolder folder;
  const StopAfter stop(0);
  const TrainResult result = run_training(*tiny_net(), tiny_splits(),
                                          tiny_options(folder.path() / "run"), {}, stop.token());
  CHECK(result.stopped);
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
  const auto failure = [&](const auto& change) {
    RunOptions wrong = tiny_options(folder.path() / "run");
    change(wrong);
    try {
      run_training(*tiny_net(), tiny_splits(), wrong, {});
    } catch (const ValueError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(failure([](RunOptions& wrong) { wrong.accumulate = 6; }) ==
        "train: batch size: expected at most the 80 training images, got 16 times 6 to accumulate");
  CHECK(failure([](RunOptions& wrong) { wrong.accumulate = 0; }) ==
        "train: accumulate: expected at least 1, got 0");
  CHECK(failure([](RunOptions& wrong) { wrong.accumulate = 3, wrong.limit_train_batches = 2; }) ==
        "train: limit_train_batches: expected at least the 3 batches of an update, got 2");
  CHECK(failure([](RunOptions& wrong) { wrong.clip_grad_norm = -1; }) ==
        "train: clip_grad_norm: expected a finite number of at least 0, got -1");
  CHECK(failure([](RunOptions& wrong) { wrong.mixup = 1e-9; }) ==
        "mix: mixup: expected 0, or 0.001 to 1000, got 1e-09");
  CHECK(failure([](RunOptions& wrong) { wrong.random_erasing = 2; }) ==
        "augment: random_erasing: expected 0 to 1, got 2");
  CHECK(failure([](RunOptions& wrong) { wrong.ema_decay = 1; }) ==
        "ema: decay: expected at least 0 and below 1, got 1");
  CHECK_FALSE(fs::exists(folder.path() / "run"));
  CHECK_THROWS_AS(run_training(*tiny_net(), tiny_splits(), tiny_options("/dev/null/run"), {}),
                  IoError);
}

TEST_CASE("checkpoints are written within an epoch, and as many are kept as asked for") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.checkpoint_minutes = 1e-9;
  o.keep = 3;
  run_training(*tiny_net(), tiny_splits(), o, {});
  const auto step = [&](const char* name) {
    return read_checkpoint_info(folder.path() / "run" / name).step;
  };
  CHECK(step("last.safetensors") == 10);
  CHECK(step("last.1.safetensors") == 10);  // before the evaluation
  CHECK(step("last.2.safetensors") == 9);
  CHECK(step("last.3.safetensors") == 8);
  CHECK_FALSE(fs::exists(folder.path() / "run" / "last.4.safetensors"));
}
