#include "train/trainer.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <numeric>
#include <optional>

#include "core/allocator.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "core/parallel.h"
#include "data/loader.h"
#include "nn/loss.h"
#include "train/atomic_file.h"
#include "train/evaluate.h"
#include "train/recorders.h"
#include "train/schedule.h"
#include "train/sgd.h"
#include "train/signals.h"
#include "train/version.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Makes `folder` ready for a new run; an earlier run in it is kept under another name.
std::optional<fs::path> prepare_folder(const fs::path& folder) {
  std::error_code error;
  std::optional<fs::path> moved;
  if (fs::exists(folder / "args.json", error)) {
    int n = 1;
    const auto candidate = [&] {
      return fs::path(fmt::format("{}.previous-{}", folder.string(), n));
    };
    while (fs::exists(candidate(), error)) ++n;
    moved = candidate();
    fs::rename(folder, *moved, error);
    require<IoError>(!error, "output: {}: expected to move the earlier run to {}, got: {}",
                     folder.string(), moved->string(), error.message());
  }
  fs::create_directories(folder, error);
  require<IoError>(!error, "output: {}: expected a folder that can be created, got: {}",
                   folder.string(), error.message());
  return moved;
}

void write_text(const fs::path& file, const std::string& text) {
  write_file_atomically(file, std::as_bytes(std::span(text)));
}

Sgd make_optimizer(const Module& net, const RunOptions& o) {
  const std::vector<NamedTensor> parameters = net.named_parameters();
  return Sgd(o.no_norm_decay ? split_no_decay(parameters)
                             : std::vector<ParameterGroup>{{.parameters = parameters}},
             {.lr = o.lr,
              .momentum = o.momentum,
              .dampening = o.dampening,
              .weight_decay = o.weight_decay,
              .nesterov = o.nesterov});
}

data::LoaderOptions eval_loader_options(const DataSplits& data, const RunOptions& o) {
  return {.batch_size = o.batch_size,
          .normalisation = data.normalisation,
          .seed = o.seed,
          .workers = o.workers};
}

data::LoaderOptions train_loader_options(const DataSplits& data, const RunOptions& o) {
  data::LoaderOptions options = eval_loader_options(data, o);
  options.shuffle = !o.overfit_batch;
  // a last batch of one image could not be normalised, and steps of one size are comparable
  options.drop_last = !o.overfit_batch;
  if (!o.no_augment && !o.overfit_batch) options.augment = data::AugmentOptions{.cutout = o.cutout};
  return options;
}

// The first batch of the training set, to be learnt by heart.
DataSplits first_batch_only(const DataSplits& data, std::int64_t batch_size) {
  std::vector<std::int64_t> first(
      static_cast<std::size_t>(std::min<std::int64_t>(batch_size, data.train->size())));
  std::iota(first.begin(), first.end(), std::int64_t{0});
  DataSplits batch = data;
  batch.train = std::make_shared<const data::Dataset>(data::subset(*data.train, first));
  batch.test = batch.train;
  batch.test_name = "training batch";
  return batch;
}

ScheduleOptions schedule_options(const RunOptions& o, std::int64_t steps_per_epoch,
                                 std::int64_t total_steps) {
  return {.name = o.lr_scheduler,
          .base_lr = o.lr,
          .base_momentum = o.momentum,
          .total_steps = total_steps,
          .steps_per_epoch = steps_per_epoch,
          .gamma = o.lr_gamma,
          .step_size_epochs = o.lr_step_size,
          .milestones = o.lr_milestones,
          .milestones_in_iterations = o.lr_milestones_in_steps,
          .warmup_epochs = o.lr_warmup_epochs,
          .warmup_method = o.lr_warmup_method,
          .warmup_factor = o.lr_warmup_factor,
          .momentum_cycle = o.momentum == 0 ? 0 : o.momentum_cycle};
}

class Run {
 public:
  Run(Module& net, const DataSplits& data, const RunOptions& options, CheckpointInfo info)
      : net_(net),
        data_(options.overfit_batch ? first_batch_only(data, options.batch_size) : data),
        o_(options),
        info_(std::move(info)),
        folder_(o_.output_dir),
        train_loader_(data_.train, train_loader_options(data_, o_)),
        test_loader_(data_.test, eval_loader_options(data_, o_)),
        steps_per_epoch_(limited(train_loader_.batches(), o_.limit_train_batches)),
        total_steps_(limited(o_.epochs * steps_per_epoch_, o_.max_steps)),
        schedule_(schedule_options(o_, steps_per_epoch_, total_steps_)),
        optimizer_(make_optimizer(net, o_)),
        loss_(o_.label_smoothing) {
    require<ValueError>(steps_per_epoch_ >= 1,
                        "train: batch size: expected at most the {} training images, got {}",
                        data_.train->size(), o_.batch_size);
    validate(schedule_);
  }

  TrainResult fit() {
    const std::optional<fs::path> moved = prepare_folder(folder_);
    recorders_.emplace(o_, RunLength{o_.epochs, steps_per_epoch_, total_steps_});
    log_ = recorders_->log();
    if (moved) log_->info("moved the earlier run in {} to {}", folder_.string(), moved->string());
    write_text(folder_ / "args.json", to_json(o_));
    MetricsCsv csv(folder_ / "metrics.csv");
    log_start();

    TrainResult result;
    for (std::int64_t epoch = 0; step_ < total_steps_ && result.signal == 0; ++epoch) {
      EpochMetrics metrics = run_epoch(epoch);
      result.signal = StopSignals::pending();
      csv.append(metrics);
      result.epochs.push_back(metrics);
      info_.epoch = epoch + 1;
      info_.step = step_;
      save_weights(folder_ / "last.safetensors", net_, info_);
      if (result.signal == 0 && metrics.test_top1 > best_top1_) {
        best_top1_ = metrics.test_top1;
        save_weights(folder_ / "best.safetensors", net_, info_);
      }
    }
    if (result.signal != 0) {
      log_->warn("stopped by {} after step {}; weights are in {}",
                 result.signal == SIGINT ? "SIGINT" : "SIGTERM", step_,
                 (folder_ / "last.safetensors").string());
    } else {
      log_->info("best {} top-1 {:.2f} %, results in {}", data_.test_name, best_top1_,
                 folder_.string());
    }
    return result;
  }

 private:
  static std::int64_t limited(std::int64_t n, std::int64_t limit) {
    return limit > 0 ? std::min(n, limit) : n;
  }

  void log_start() {
    log_->info("resgrad {}: {} ({} parameters), {} images, batch {}, {} epochs, {} steps", kVersion,
               o_.model, net_.parameter_count(), data_.train->size(), o_.batch_size, o_.epochs,
               total_steps_);
    log_->info("{} threads, kernels {}, convolution {}, seed {}; best is chosen by {} top-1",
               num_threads(), name(kernels::active_isa()), kernels::conv2d_engine_setting(),
               o_.seed, data_.test_name);
  }

  EpochMetrics run_epoch(std::int64_t epoch) {
    const Clock::time_point start = Clock::now();
    EpochMetrics metrics = train_epoch(epoch);
    if (StopSignals::pending() == 0) {
      const Evaluation evaluation =
          evaluate(net_, test_loader_, data_.test->num_classes, o_.limit_eval_batches);
      if (!evaluation.interrupted) {
        metrics.test_loss = evaluation.loss;
        metrics.test_top1 = evaluation.top1;
      }
    }
    metrics.seconds = seconds_since(start);
    log_->info(
        "epoch {:>3}  lr {:.4f}  train loss {:.4f} top-1 {:.2f} %  {} loss {:.4f} top-1 "
        "{:.2f} %  {:.0f} images/s  {:.1f} s",
        metrics.epoch, metrics.lr, metrics.train_loss, metrics.train_top1, data_.test_name,
        metrics.test_loss, metrics.test_top1, metrics.images_per_s, metrics.seconds);
    recorders_->epoch(metrics);
    return metrics;
  }

  EpochMetrics train_epoch(std::int64_t epoch) {
    net_.train();
    train_loader_.start_epoch(o_.overfit_batch ? 0 : epoch);
    Meter loss_meter, top1_meter;
    double lr = 0;
    const Clock::time_point start = Clock::now();
    recorders_->begin_epoch();
    epoch_steps_ = 0;
    while (epoch_steps_ < steps_per_epoch_ && step_ < total_steps_ && StopSignals::pending() == 0) {
      const std::optional<data::Batch> batch = train_loader_.next();
      if (!batch) break;
      recorders_->mark("data wait");
      lr = learning_rate(schedule_, step_);
      optimizer_.set_lr(lr);
      optimizer_.set_momentum(momentum(schedule_, step_));
      const std::int64_t n = batch->images.dim(0);
      const auto [loss, logits] = train_step(*batch);
      const double top1 =
          100 * static_cast<double>(count_hits(logits, batch->labels, 1)) / static_cast<double>(n);
      loss_meter.add(loss, n);
      top1_meter.add(top1, n);
      recorders_->step({.step = ++step_,
                        .epoch = epoch + 1,
                        .epoch_step = ++epoch_steps_,
                        .images = n,
                        .loss = loss,
                        .top1 = top1,
                        .epoch_loss = loss_meter.mean(),
                        .epoch_top1 = top1_meter.mean(),
                        .lr = lr,
                        .wait_seconds = train_loader_.wait_seconds()},
                       net_);
    }
    train_seconds_ = seconds_since(start);
    recorders_->end_training();
    return {.epoch = epoch + 1,
            .step = step_,
            .lr = lr,
            .train_loss = loss_meter.mean(),
            .train_top1 = top1_meter.mean(),
            .test_loss = std::nan(""),
            .test_top1 = std::nan(""),
            .images_per_s = static_cast<double>(loss_meter.weight()) / train_seconds_,
            .seconds = 0};
  }

  // One update. Returns the loss and the logits, without their graph.
  std::pair<double, Tensor> train_step(const data::Batch& batch) {
    optimizer_.zero_grad();
    recorders_->mark("zero_grad");
    const Tensor logits = net_(batch.images);
    const Tensor loss = loss_(logits, batch.labels);
    const double value = loss.item();
    require<StateError>(std::isfinite(value),
                        "train: step {}: expected a finite loss, got {}; try a lower --lr or a "
                        "warm-up; the weights of the last epoch are in {}",
                        step_ + 1, value, folder_.string());
    loss.backward();
    optimizer_.step();
    return {value, logits.detach()};
  }

  Module& net_;
  DataSplits data_;
  RunOptions o_;
  CheckpointInfo info_;
  fs::path folder_;
  data::Loader train_loader_, test_loader_;
  std::int64_t steps_per_epoch_, total_steps_;
  ScheduleOptions schedule_;
  Sgd optimizer_;
  CrossEntropyLoss loss_;
  std::optional<Recorders> recorders_;
  std::shared_ptr<spdlog::logger> log_;
  std::int64_t step_ = 0, epoch_steps_ = 0;
  double train_seconds_ = 0;
  double best_top1_ = -1;
};

}  // namespace

TrainResult run_training(Module& net, const DataSplits& data, const RunOptions& options,
                         CheckpointInfo info) {
  return Run(net, data, options, std::move(info)).fit();
}

}  // namespace resgrad
