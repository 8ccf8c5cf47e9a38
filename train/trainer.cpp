#include "train/trainer.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "core/parallel.h"
#include "data/loader.h"
#include "train/evaluate.h"
#include "train/io/atomic_file.h"
#include "train/log/recorders.h"
#include "train/make_optimizer.h"
#include "train/optim/ema.h"
#include "train/optim/schedule.h"
#include "train/resume.h"
#include "train/run_data.h"
#include "train/run_folder.h"
#include "train/step.h"
#include "train/version.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void write_text(const fs::path& file, const std::string& text) {
  write_file_atomically(file, std::as_bytes(std::span(text)));
}

RecorderOptions recorder_options(const RunOptions& o) {
  return {.folder = o.output_dir,
          .print_freq = o.print_freq,
          .quiet = o.quiet,
          .profile = o.profile,
          .log_norms = o.log_norms};
}

// Takes the times of finished epochs, which checkpoints leave out, from an earlier metrics.csv.
void add_times(std::vector<EpochMetrics>& epochs, const fs::path& csv) {
  try {
    for (const EpochMetrics& row : read_metrics_csv(csv)) {
      for (EpochMetrics& epoch : epochs) {
        if (epoch.epoch != row.epoch || epoch.step != row.step) continue;
        epoch.images_per_s = row.images_per_s;
        epoch.seconds = row.seconds;
      }
    }
  } catch (const IoError&) {  // unknown times are empty cells
  }
}

std::int64_t limited(std::int64_t n, std::int64_t limit) {
  return limit > 0 ? std::min(n, limit) : n;
}

class Run {
 public:
  Run(Module& net, const data::DataSplits& data, const RunOptions& options, CheckpointInfo info,
      std::stop_token stop, const ResolveDefaults& resolve)
      : net_(net),
        data_(options.overfit_batch ? first_update_only(data, options) : data),
        o_(options),
        info_(std::move(info)),
        resolve_(resolve),
        folder_(o_.output_dir),
        train_loader_(data_.train, train_loader_options(data_, o_)),
        test_loader_(data_.test, eval_loader_options(data_, o_)),
        steps_per_epoch_(updates_per_epoch(train_loader_.batches(), data_.train->size(), o_)),
        total_steps_(limited(o_.epochs * steps_per_epoch_, o_.max_steps)),
        schedule_(make_schedule(o_, steps_per_epoch_)),
        optimizer_(make_optimizer(net.named_parameters(), o_)),
        ema_(o_.ema_decay != 0 ? std::optional<Ema>(std::in_place, net, o_.ema_decay)
                               : std::nullopt),
        train_step_(net, *optimizer_, step_options()),
        stop_(std::move(stop)) {}

  TrainResult fit() {
    start();
    while (!finished() && !stop_.stop_requested()) {
      train_epoch();
      if (stop_.stop_requested()) break;
      const Evaluation evaluation = evaluate_now();
      if (evaluation.interrupted) break;
      std::optional<Evaluation> averaged;
      if (ema_) {
        const Ema::Applied applied(*ema_);
        averaged = evaluate_now();
        if (averaged->interrupted) break;
      }
      finish_epoch(evaluation, averaged);
    }
    finish();
    return {.epochs = state_.epochs, .stopped = stop_.stop_requested()};
  }

 private:
  // ---- the run: begin and end

  void start() {
    std::optional<FoundCheckpoint> found = find_checkpoint(o_.resume, folder_);
    std::error_code ignored;
    const bool here = found && fs::equivalent(found->file.parent_path() / ".", folder_, ignored);
    // before anything is moved or written: an error leaves all as it was
    const std::string settings = to_json(o_);
    if (found) restore(*found);
    // "auto" without a checkpoint: nothing was reached there that could be lost
    run_folder_.emplace(folder_, here || o_.resume == "auto");
    recorders_.emplace(recorder_options(o_), RunLength{o_.epochs, steps_per_epoch_, total_steps_},
                       here ? step() : 0);
    log_ = recorders_->log();
    if (run_folder_->moved()) {
      log_->info("moved the earlier run in {} to {}", folder_.string(),
                 run_folder_->moved()->string());
    }
    write_text(folder_ / "args.json", settings);
    log_->info("resgrad {}: {} ({} parameters), {} images, batch {}{}, {} epochs, {} steps",
               kVersion, o_.model, net_.parameter_count(), data_.train->size(), o_.batch_size,
               o_.accumulate == 1 ? "" : fmt::format(" times {}", o_.accumulate), o_.epochs,
               total_steps_);
    log_->info("{} threads, kernels {}, convolution {}, seed {}; best is chosen by {} top-1",
               num_threads(), name(kernels::active_isa()), kernels::conv2d_engine_setting(),
               o_.seed, data_.test_name);
    for (const std::string& text : settings_without_effect(o_)) log_->warn("{}", text);
    for (const std::string& warning : data_.warnings) log_->warn("{}", warning);
    if (found) log_resumed(*found, here);
    write_metrics();
    unsaved_ = !here;
    last_save_ = Clock::now();
  }

  void restore(const FoundCheckpoint& found) {
    const Checkpoint& c = found.checkpoint;
    std::string problems = differing_settings(c.state->settings, o_, resolve_);
    try {
      net_.load_state_dict(c.model);
    } catch (const ValueError& error) {
      problems += (problems.empty() ? "" : "; ") + std::string(error.what());
    }
    require<ValueError>(problems.empty(),
                        "resume: {}: expected a checkpoint of this run, got one that differs: {}",
                        found.file.string(), problems);
    require<ValueError>(c.state->train_images == data_.train->size(),
                        "resume: {}: expected the {} training images that it was made with, got {}",
                        found.file.string(), c.state->train_images, data_.train->size());
    optimizer_->load_state(c.optimizer);
    if (ema_) ema_->load_state(c.ema);
    state_ = *c.state;
    train_step_.set_steps(c.info.step);
    epoch_ = (step() - state_.epoch_step) / steps_per_epoch_;
    if (!finished()) {  // a run that max_steps ended within an epoch and that now goes further
      std::erase_if(state_.epochs, [this](const EpochMetrics& e) { return e.epoch > epoch_; });
    }
    add_times(state_.epochs, found.file.parent_path() / "metrics.csv");
  }

  void log_resumed(const FoundCheckpoint& found, bool here) {
    for (const auto& [file, problem] : found.damaged) {
      log_->warn("{}", problem);
      const fs::path aside = file.string() + ".damaged";
      std::error_code error;
      if (here) fs::rename(file, aside, error);
      log_->warn("using {} instead{}", found.file.string(),
                 here && !error ? "; the damaged file is now " + aside.string() : "");
    }
    log_->info("{} {} after step {} of {}", finished() ? "finished already:" : "resumed from",
               found.file.string(), step(), total_steps_);
    if (found.checkpoint.state->machine != machine()) {
      log_->warn(
          "it was made with {}; now it is {}: last digits may differ from those of an "
          "uninterrupted run",
          found.checkpoint.state->machine, machine());
    }
    if (here) return;
    std::error_code error;
    fs::copy_file(found.file.parent_path() / kBestFile, folder_ / kBestFile, error);
    if (error) state_.best_top1 = -1;  // the next epoch is the best that this folder has
  }

  // Saves what is not saved yet; a run that cannot leave its result has failed.
  void finish() {
    if (unsaved_ && !save(kLastFile)) {
      throw IoError(
          fmt::format("train: {}: expected to write the checkpoint of step {}, got the "
                      "error above; what was written before is as it was",
                      (folder_ / kLastFile).string(), step()));
    }
    if (state_.skipped > 0) log_->warn("{} updates were skipped", state_.skipped);
    if (stop_.stop_requested()) {
      log_->warn("stopped after step {} of {}; checkpoint: {}", step(), total_steps_,
                 (folder_ / kLastFile).string());
    } else {
      log_->info("best {} top-1 {:.2f} %, results in {}", data_.test_name, state_.best_top1,
                 folder_.string());
    }
  }

  std::int64_t step() const { return train_step_.steps(); }

  bool finished() const {
    return step() >= total_steps_ && !state_.epochs.empty() && state_.epochs.back().step == step();
  }

  // ---- epochs

  // From where the epoch stands to its end, the last step of the run, or a signal.
  void train_epoch() {
    if (!net_.is_training()) net_.train();  // layers that were frozen by eval() stay so
    train_loader_.start_epoch(o_.overfit_batch ? 0 : epoch_, state_.epoch_step * o_.accumulate);
    recorders_->begin_epoch();
    const double seconds_before = state_.seconds;
    const Clock::time_point start = Clock::now();
    while (state_.epoch_step < steps_per_epoch_ && step() < total_steps_ &&
           !stop_.stop_requested()) {
      const StepValues values = train_step();
      ++state_.epoch_step;
      count(values);
      state_.seconds = seconds_before + seconds_since(start);
      unsaved_ = true;
      recorders_->step({.step = step(),
                        .epoch = epoch_ + 1,
                        .epoch_step = state_.epoch_step,
                        .images = values.images,
                        .loss = values.loss,
                        .top1 = values.top1,
                        .epoch_loss = state_.loss.mean(),
                        .epoch_top1 = state_.top1.mean(),
                        .lr = optimizer_->lr(),
                        .grad_norm = values.grad_norm,
                        .wait_seconds = train_loader_.wait_seconds()},
                       net_);
      if (checkpoint_due()) save(kLastFile);
    }
    recorders_->end_training();
    require<DivergenceError>(
        state_.epoch_step == 0 || state_.loss.weight() > 0 || stop_.stop_requested(),
        "train: epoch {}: expected an update with finite values, got none: all {} "
        "were skipped",
        epoch_ + 1, state_.epoch_step);
  }

  void count(const StepValues& values) {
    if (values.skipped) {
      log_->warn("skipped the update of step {}: {}", step(), *values.skipped);
      ++state_.skipped;
      return;
    }
    state_.loss.add(values.loss, values.images);
    state_.top1.add(values.top1, values.images);
  }

  Evaluation evaluate_now() {
    return evaluate(net_, test_loader_, data_.test->num_classes, o_.limit_eval_batches, Tta::none,
                    stop_);
  }

  void finish_epoch(const Evaluation& evaluation, const std::optional<Evaluation>& averaged) {
    EpochMetrics metrics = {.epoch = epoch_ + 1,
                            .step = step(),
                            .lr = learning_rate(schedule_, step() - 1),
                            .train_loss = state_.loss.mean(),
                            .train_top1 = state_.top1.mean(),
                            .test_loss = evaluation.loss,
                            .test_top1 = evaluation.top1,
                            .images_per_s = images_per_second(),
                            .seconds = state_.seconds + evaluation.seconds};
    log_->info(
        "epoch {:>3}  lr {:.4f}  train loss {:.4f} top-1 {:.2f} %  {} loss {:.4f} top-1 "
        "{:.2f} %  {:.0f} images/s  {:.1f} s",
        metrics.epoch, metrics.lr, metrics.train_loss, metrics.train_top1, data_.test_name,
        metrics.test_loss, metrics.test_top1, metrics.images_per_s, metrics.seconds);
    if (averaged) {
      metrics.ema_test_loss = averaged->loss;
      metrics.ema_test_top1 = averaged->top1;
      metrics.seconds += averaged->seconds;
      log_->info("averaged weights: {} loss {:.4f} top-1 {:.2f} %  {:.1f} s", data_.test_name,
                 averaged->loss, averaged->top1, averaged->seconds);
    }
    recorders_->epoch(metrics);
    state_.epochs.push_back(metrics);
    if (state_.epoch_step == steps_per_epoch_) {
      ++epoch_;
      state_.epoch_step = 0;
      state_.loss.reset();
      state_.top1.reset();
      state_.seconds = 0;
    }
    unsaved_ = true;
    // the best first: whoever goes on from `last` can rely on it
    const double best_before = state_.best_top1;
    if (metrics.test_top1 > best_before) {
      state_.best_top1 = metrics.test_top1;
      if (!save(kBestFile)) state_.best_top1 = best_before;
    }
    save(kLastFile);
    write_metrics();
  }

  double images_per_second() const {
    return static_cast<double>(state_.loss.weight()) / state_.seconds;
  }

  // ---- steps

  TrainStepOptions step_options() {
    require<ValueError>(o_.on_nonfinite == "stop" || o_.on_nonfinite == "skip",
                        "train: on_nonfinite: expected stop or skip, got {}", o_.on_nonfinite);
    return {.label_smoothing = o_.label_smoothing,
            .clip_grad_norm = o_.clip_grad_norm,
            .on_nonfinite = o_.on_nonfinite == "skip" ? OnNonfinite::skip : OnNonfinite::stop,
            .ema = ema_ ? &*ema_ : nullptr,
            .mark = [this](std::string_view what) { recorders_->mark(what); }};
  }

  StepValues train_step() {
    optimizer_->set_lr(learning_rate(schedule_, step()));
    optimizer_->set_momentum(momentum(schedule_, step()));
    const auto next = [this] {
      data::Batch batch = train_loader_.next().value();
      recorders_->mark("data wait");
      return batch;
    };
    try {
      return train_step_(o_.accumulate, next);
    } catch (const NonfiniteError& error) {
      stop_at(error);
    }
  }

  [[noreturn]] void stop_at(const NonfiniteError& error) {
    const data::Batch& batch = error.batch();
    Checkpoint checkpoint = capture();
    checkpoint.others = {{"batch.images", batch.images}, {"batch.labels", batch.labels}};
    if (batch.second_labels.defined()) {
      checkpoint.others.push_back({"batch.second_labels", batch.second_labels});
    }
    for (const NamedTensor& p : net_.named_parameters()) {
      if (p.tensor.grad().defined()) {
        checkpoint.others.push_back({"gradient." + p.name, p.tensor.grad()});
      }
    }
    const fs::path file = folder_ / "nonfinite.safetensors";
    std::string state = "the state before the update is in " + file.string();
    try {
      write_checkpoint(file, checkpoint);
    } catch (const IoError& failure) {
      state = failure.what();
    }
    throw DivergenceError(fmt::format("{}; {}; try a lower --lr, a warm-up or --on-nonfinite skip",
                                      error.what(), state));
  }

  // ---- checkpoints

  bool checkpoint_due() const {
    return o_.checkpoint_minutes > 0 && seconds_since(last_save_) >= 60 * o_.checkpoint_minutes;
  }

  static std::string machine() {
    return fmt::format("{} threads, kernels {}, convolution {}", num_threads(),
                       name(kernels::active_isa()), kernels::conv2d_engine_setting());
  }

  Checkpoint capture() {
    Checkpoint checkpoint{.info = info_,
                          .model = net_.state_dict(),
                          .optimizer = optimizer_->state(),
                          .state = state_};
    if (ema_) checkpoint.ema = ema_->state();
    checkpoint.info.epoch = epoch_;
    checkpoint.info.step = step();
    TrainState& state = *checkpoint.state;
    for (EpochMetrics& epoch : state.epochs) epoch.images_per_s = epoch.seconds = std::nan("");
    state.train_images = data_.train->size();
    state.settings = result_settings(o_);
    state.machine = machine();
    return checkpoint;
  }

  // Whether it was written. If not, training goes on: the next one may succeed.
  bool save(std::string_view file) {
    last_save_ = Clock::now();
    try {
      const Checkpoint checkpoint = capture();
      // before `last`, so that a finished run has the averages that belong to its end
      if (ema_ && file == kLastFile) {
        write_checkpoint(folder_ / kEmaFile,
                         {.info = checkpoint.info, .model = checkpoint.ema, .optimizer = {}});
      }
      write_checkpoint(folder_ / file, checkpoint, file == kLastFile ? o_.keep : 0);
    } catch (const IoError& error) {
      log_->warn("no checkpoint of step {}: {}; earlier ones are as they were", step(),
                 error.what());
      return false;
    }
    if (file == kLastFile) unsaved_ = false;
    return true;
  }

  void write_metrics() {
    try {
      write_metrics_csv(folder_ / "metrics.csv", state_.epochs);
    } catch (const IoError& error) {
      log_->warn("{}", error.what());
    }
  }

  Module& net_;
  data::DataSplits data_;
  RunOptions o_;
  CheckpointInfo info_;
  const ResolveDefaults& resolve_;
  fs::path folder_;
  std::optional<RunFolder> run_folder_;
  data::Loader train_loader_, test_loader_;
  std::int64_t steps_per_epoch_, total_steps_;
  ScheduleOptions schedule_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<Ema> ema_;
  TrainStep train_step_;
  std::stop_token stop_;
  std::optional<Recorders> recorders_;
  std::shared_ptr<spdlog::logger> log_;

  std::int64_t epoch_ = 0;  // epochs finished
  TrainState state_;        // of the epoch that has begun, and the results so far
  bool unsaved_ = false;
  Clock::time_point last_save_;
};

}  // namespace

TrainResult run_training(Module& net, const data::DataSplits& data, const RunOptions& options,
                         CheckpointInfo info, std::stop_token stop,
                         const ResolveDefaults& resolve) {
  return Run(net, data, options, std::move(info), std::move(stop), resolve).fit();
}

}  // namespace resgrad
