#include "train/trainer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/autograd/grad_mode.h"
#include "core/check.h"
#include "nn/nn.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/tiny_run.h"
#include "train/evaluate.h"
#include "train/io/safetensors.h"
#include "train/run_data.h"
#include "train/signals.h"

using namespace resgrad;
namespace fs = std::filesystem;

namespace {

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

bool same_tensors(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  return std::ranges::equal(a, b, [](const NamedTensor& x, const NamedTensor& y) {
    return x.name == y.name && x.tensor.to_vector<double>() == y.tensor.to_vector<double>();
  });
}

// What comes before the first point of the names in a file.
std::set<std::string> kinds_of_tensors(const fs::path& file) {
  std::set<std::string> kinds;
  for (const NamedTensor& t : read_safetensors(file).tensors) {
    kinds.insert(t.name.substr(0, t.name.find('.')));
  }
  return kinds;
}

// Raises SIGTERM when so many batches went through the network in train mode.
class StopAfter final : public CallObserver {
 public:
  explicit StopAfter(int batches) : left_(batches) {
    if (batches == 0) std::raise(SIGTERM);
  }
  void enter(const Module&, const Tensor&) override { ++depth_; }
  void leave(const Module& module, const Tensor&) override {
    if (--depth_ == 0 && module.is_training() && --left_ == 0) std::raise(SIGTERM);
  }

 private:
  int left_, depth_ = 0;
};

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

TEST_CASE("accumulated batches train as one large batch does, with batch norm in its eval form") {
  // normalises by the running statistics always
  class FixedNorm final : public Module {
   public:
    FixedNorm() : norm_(register_module("norm", std::make_shared<BatchNorm2d>(4))) {}
    std::string class_name() const override { return "FixedNorm"; }

   private:
    Tensor forward(const Tensor& x) override {
      norm_->eval();
      return (*norm_)(x);
    }
    std::shared_ptr<BatchNorm2d> norm_;
  };
  const auto make_net = [] {
    const init::InitScope scope(1);
    return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
        std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.stride = 4}),
        std::make_shared<FixedNorm>(), std::make_shared<ReLU>(), std::make_shared<Flatten>(),
        std::make_shared<Linear>(256, 10)});
  };
  const TemporaryFolder folder;
  const auto train = [&](const char* name, std::int64_t batch_size, std::int64_t accumulate) {
    RunOptions o = tiny_options(folder.path() / name);
    o.batch_size = batch_size;
    o.accumulate = accumulate;
    o.clip_grad_norm = 1;  // of the sum, not of its parts
    const auto net = make_net();
    const TrainResult result = run_training(*net, tiny_splits(), o, {});
    return std::pair(net, result.epochs);
  };
  const auto [large, large_epochs] = train("large", 24, 1);  // 3 updates an epoch, 8 images left
  const auto [small, small_epochs] = train("small", 8, 3);
  REQUIRE(small_epochs.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(small_epochs[i].step == large_epochs[i].step);
    CHECK(small_epochs[i].lr == large_epochs[i].lr);
    CHECK(small_epochs[i].train_loss == doctest::Approx(large_epochs[i].train_loss).epsilon(1e-6));
    CHECK(small_epochs[i].train_top1 == doctest::Approx(large_epochs[i].train_top1));
  }
  CHECK(small_epochs[1].step == 6);
  const auto a = large->named_parameters(), b = small->named_parameters();
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].name);
    const auto want = a[i].tensor.to_vector<double>(), got = b[i].tensor.to_vector<double>();
    for (std::size_t j = 0; j < want.size(); ++j) CHECK(std::abs(want[j] - got[j]) < 2e-6);
  }
}

TEST_CASE("a clipped run reports the norms and stays near its start") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.clip_grad_norm = 1e-3;
  o.momentum = o.weight_decay = 0;
  o.lr_scheduler = "constant";
  o.print_freq = 1;
  const auto net = tiny_net(), start = tiny_net();
  run_training(*net, tiny_splits(), o, {});
  double squares = 0;
  for (std::size_t i = 0; i < net->named_parameters().size(); ++i) {
    const auto before = start->named_parameters()[i].tensor.to_vector<double>();
    const auto after = net->named_parameters()[i].tensor.to_vector<double>();
    for (std::size_t j = 0; j < after.size(); ++j) squares += std::pow(after[j] - before[j], 2);
  }
  CHECK(std::sqrt(squares) > 1e-5);
  CHECK(std::sqrt(squares) < 10 * 0.1 * 1e-3);  // steps times lr times the largest norm
  std::istringstream steps(text_of(folder.path() / "run" / "metrics.jsonl"));
  int lines = 0;
  for (std::string line; std::getline(steps, line); ++lines) {
    CHECK(nlohmann::json::parse(line).at("grad_norm").get<double>() > 0.1);  // before clipping
  }
  CHECK(lines == 10);
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
  load_weights(run / "ema.safetensors", *net);
  const data::DataSplits data = tiny_splits();
  data::Loader loader(data.test, {.batch_size = 16, .normalisation = data.normalisation});
  const Evaluation evaluation = evaluate(*net, loader, 10);
  CHECK(result.epochs[1].ema_test_loss == evaluation.loss);
  CHECK(result.epochs[1].ema_test_top1 == evaluation.top1);
  CHECK(result.epochs[1].test_loss != evaluation.loss);
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

TEST_CASE("loss and accuracy of mixed images weigh both labels with their shares") {
  const TemporaryFolder folder;
  const auto make_net = [](std::uint64_t seed) {  // one whose guesses depend on the image
    const NoGradGuard no_grad;
    auto net = tiny_net(seed);
    net->named_parameters().back().tensor.zero_();
    return net;
  };
  int different = 0;
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
    CAPTURE(seed);
    RunOptions o = tiny_options(folder.path() / "run");
    o.seed = seed;
    o.batch_size = 64;
    o.mixup = 1;
    o.label_smoothing = 0.1;
    o.max_steps = 1;
    const TrainResult result = run_training(*make_net(seed), tiny_splits(), o, {});
    const data::DataSplits data = tiny_splits();
    data::Loader loader(data.train, train_loader_options(data, o));
    loader.start_epoch(0);
    const data::Batch batch = loader.next().value();
    const double share = batch.share;
    const Tensor logits = (*make_net(seed))(batch.images);
    const auto loss = [&](const Tensor& labels) {
      return cross_entropy(logits, labels, 0.1).item();
    };
    const auto accuracy = [&](const Tensor& labels) {
      return 100.0 / 64 * static_cast<double>(count_hits(logits.detach(), labels, 1));
    };
    const double first = accuracy(batch.labels), second = accuracy(batch.second_labels);
    different += first != second;
    CHECK(result.epochs[0].train_loss ==
          doctest::Approx(share * loss(batch.labels) + (1 - share) * loss(batch.second_labels)));
    CHECK(result.epochs[0].train_top1 == doctest::Approx(share * first + (1 - share) * second));
  }
  CHECK(different > 0);
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

TEST_CASE("a skipped update leaves weights, velocities and statistics as they were") {
  // lets everything through but its third batch
  class Bomb final : public Module {
   public:
    std::string class_name() const override { return "Bomb"; }

   private:
    Tensor forward(const Tensor& x) override {
      return is_training() && ++calls_ == 3 ? Tensor::full(x.shape(), std::nan("")) : x;
    }
    int calls_ = 0;
  };
  const auto make = [](bool bomb) {
    const init::InitScope scope(1);
    const ModulePtr first =
        bomb ? ModulePtr(std::make_shared<Bomb>()) : std::make_shared<Identity>();
    return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
        first, std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.stride = 8}),
        std::make_shared<BatchNorm2d>(4), std::make_shared<Flatten>(),
        std::make_shared<Linear>(64, 10)});
  };
  std::string optimizer;
  SUBCASE("sgd") {
    optimizer = "sgd";
  }
  SUBCASE("adamw") {
    optimizer = "adamw";
  }
  // one at a time, and as the first of the two batches of an update
  for (const std::int64_t accumulate : {1, 2}) {
    CAPTURE(accumulate);
    const TemporaryFolder folder;
    RunOptions o = tiny_options(folder.path() / "skip");
    o.optimizer = optimizer;
    o.on_nonfinite = "skip";
    o.lr_scheduler = "constant";
    o.accumulate = accumulate;
    o.max_steps = 4 - accumulate;
    run_training(*make(true), tiny_splits(160), o, {});
    const Checkpoint skipped = read_checkpoint(folder.path() / "skip" / "last.safetensors");
    CHECK(skipped.state->skipped == 1);
    CHECK(skipped.info.step == o.max_steps);

    o.output_dir = (folder.path() / "before").string();
    --o.max_steps;
    run_training(*make(false), tiny_splits(160), o, {});
    const Checkpoint before = read_checkpoint(folder.path() / "before" / "last.safetensors");
    CHECK(same_tensors(skipped.model, before.model));
    CHECK(same_tensors(skipped.optimizer, before.optimizer));
    CHECK(skipped.state->loss.sum() == before.state->loss.sum());
  }
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

TEST_CASE("a run that was stopped at any step and resumed ends with the same bytes") {
  const TemporaryFolder folder;
  const auto make_net = [] {
    const init::InitScope scope(1);
    return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
        std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.stride = 8}),
        std::make_shared<BatchNorm2d>(4), std::make_shared<ReLU>(), std::make_shared<Flatten>(),
        std::make_shared<Dropout>(0.3, 5), std::make_shared<Linear>(64, 10)});
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
      const StopSignals signals;
      const StopAfter stop(std::max(0, 2 * step - 1));  // the first batch of an update
      const TrainResult stopped = run_training(*make_net(), tiny_splits(), o, {});
      CHECK(stopped.signal == SIGTERM);
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

TEST_CASE("a run goes on in another folder, and leaves the first as it is") {
  const TemporaryFolder folder;
  const fs::path first = folder.path() / "first", second = folder.path() / "second";
  RunOptions o = tiny_options(first);
  {
    const StopSignals signals;
    const StopAfter stop(7);
    run_training(*tiny_net(), tiny_splits(), o, {});
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
  CHECK(failure(o, wider, tiny_splits()).find("expected float32 [10, 16], got float32 [10, 8]") !=
        std::string::npos);
  CHECK(failure(o, *tiny_net(), tiny_splits(64))
            .find("expected the 80 training images that it was made with, got 64") !=
        std::string::npos);
  CHECK(text_of(folder.path() / "run" / "train.log") == before);
}
