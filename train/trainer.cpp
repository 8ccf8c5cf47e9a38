#include "train/trainer.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/atomic_file.h"
#include "core/clock.h"
#include "core/parallel.h"
#include "data/loader.h"
#include "train/dist/agreement.h"
#include "train/evaluate.h"
#include "train/io/safetensors.h"
#include "train/log/recorders.h"
#include "train/make_optimizer.h"
#include "train/optim/schedule.h"
#include "train/resume.h"
#include "train/run_data.h"
#include "train/run_folder.h"
#include "train/run_record.h"
#include "train/run_state.h"
#include "train/settings_without_effect.h"
#include "train/version.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
RecorderOptions recorder_options(const RunOptions& o) {
  return {.folder = o.output_dir,
          .print_freq = o.print_freq,
          .quiet = o.quiet,
          .profile = o.profile,
          .log_norms = o.log_norms};
}

std::vector<NamedTensor> named_tensors(const data::Batch& batch) {
  std::vector<NamedTensor> tensors;
  if (!batch.images.defined()) return tensors;
  tensors = {{"batch.images", batch.images}, {"batch.labels", batch.labels}};
  if (batch.second_labels.defined()) {
    tensors.push_back({"batch.second_labels", batch.second_labels});
  }
  return tensors;
}

// Of an update that was not finite: its batch, whose ever it was, and what gradients there are.
std::vector<NamedTensor> evidence(const Module& net, const data::Batch& batch,
                                  Communicator& ranks) {
  std::vector<NamedTensor> tensors = named_tensors(batch);
  if (ranks.size() > 1) {
    const std::vector<std::byte> own = serialise_safetensors({.tensors = tensors});
    const std::string bytes = ranks.first(
        tensors.empty() ? "" : std::string(reinterpret_cast<const char*>(own.data()), own.size()));
    tensors = parse_safetensors(std::as_bytes(std::span(bytes)), "batch of a rank").tensors;
  }
  for (const NamedTensor& p : net.named_parameters()) {
    if (p.tensor.grad().defined()) tensors.push_back({"gradient." + p.name, p.tensor.grad()});
  }
  return tensors;
}

class Run {
 public:
  Run(Module& net, const data::DataSplits& data, const RunOptions& options, CheckpointInfo info,
      std::stop_token stop, const ResolveDefaults& resolve, Communicator& ranks,
      const std::function<bool()>& save_wanted)
      : ranks_(ranks),
        data_(options.overfit_batch ? first_update_only(data, options) : data),
        o_(options),
        folder_(o_.output_dir),
        train_loader_(data_.train, train_loader_options(data_, o_, ranks)),
        test_loader_(data_.test, eval_loader_options(data_, o_, ranks)),
        length_(run_length(train_loader_.batches(), data_.train->size(), o_)),
        state_(
            net, o_, std::move(info), length_, data_.train->size(), describe(data_),
            [this](std::string_view what) { record([&](auto& r) { r.mark(what); }); }, ranks),
        schedule_(make_schedule(o_, length_.steps_per_epoch)),
        stop_(std::move(stop)),
        save_wanted_(save_wanted),
        resolve_(resolve) {}

  TrainResult fit(std::optional<FoundCheckpoint> found) {
    start(found);
    found.reset();
    if (state_.lacks_last_evaluation()) evaluate_last_epoch();
    while (!state_.finished() && !stop_requested()) {
      train_epoch();
      if (stop_requested()) break;
      EpochMetrics metrics = training_metrics();
      if (state_.evaluation_due() && !add_evaluations(metrics)) break;
      finish_epoch(metrics);
    }
    finish();
    return {.epochs = state_.now.epochs, .stopped = stop_requested()};
  }

 private:
  // ---- what all ranks decide together, and what rank 0 does for them

  bool stop_requested() { return ranks_.any(stop_.stop_requested()); }

  // Calls f with the recorders, which rank 0 alone has.
  template <class F>
  void record(F&& f) {
    if (recorders_) f(*recorders_);
  }

  void require_equal_weights() {
    if (ranks_.size() == 1) return;
    require_equal(ranks_, fmt::format("weights after step {}", state_.step()),
                  fmt::format("CRC-32 {:08x}", checksum(state_.net.state_dict())));
  }

  // ---- the run: begin and end

  void start(const std::optional<FoundCheckpoint>& found) {
    std::error_code ignored;
    const bool here = ranks_.any(ranks_.leads() && found &&
                                 fs::equivalent(found->file.parent_path() / ".", folder_, ignored));
    // before anything is moved or written: an error leaves all as it was
    const std::string settings = to_json(o_);
    require_equal(ranks_, "data", state_.data());
    if (found) state_.restore(*found, resolve_);
    require_equal_weights();
    unsaved_ = !here;
    last_save_ = Clock::now();
    if (ranks_.leads()) open_folder(found, here, settings);
    // rank 0 may have found that the best weights are gone
    if (ranks_.any(ranks_.leads() && state_.now.best_top1 < 0)) state_.forget_best();
  }

  void open_folder(const std::optional<FoundCheckpoint>& found, bool here,
                   const std::string& settings) {
    // "auto" and not even weights: nothing was reached there that could be lost
    const bool go_on = here || (o_.resume == "auto" && !holds_weights(folder_));
    run_folder_.emplace(folder_, go_on          ? EarlierRun::keep
                                 : o_.overwrite ? EarlierRun::remove
                                                : EarlierRun::move);
    recorders_.emplace(recorder_options(o_), length_,
                       go_on ? std::optional(here ? state_.step() : 0) : std::nullopt,
                       state_.dropped_evaluation() || state_.lacks_last_evaluation());
    log_ = recorders_->log();
    if (run_folder_->moved()) {
      log_->info("moved the earlier run in {} to {}", folder_.string(),
                 run_folder_->moved()->string());
    }
    write_file_atomically(folder_ / "args.json", settings);
    log_->info("resgrad {}: {} ({} parameters), {} images, batch {}{}{}, {} epochs, {} steps",
               kVersion, describe(o_), state_.net.parameter_count(), data_.train->size(),
               o_.batch_size, o_.accumulate == 1 ? "" : fmt::format(" times {}", o_.accumulate),
               o_.shards == 1 ? "" : fmt::format(" in {} shards", o_.shards), o_.epochs,
               length_.total_steps);
    log_->info("{}{} threads, {}, seed {}; best is chosen by {}",
               ranks_.size() == 1 ? "" : fmt::format("{} ranks, ", ranks_.size()), num_threads(),
               machine_description(), o_.seed, best_measure());
    for (const std::string& text : settings_without_effect(o_)) log_->warn("{}", text);
    for (const std::string& warning : data_.warnings) log_->warn("{}", warning);
    if (found) log_resumed(*found, here);
    // the events of its step went with an evaluation that was dropped
    const std::vector<EpochMetrics>& rows = state_.now.epochs;
    if (here && state_.dropped_evaluation() && !rows.empty() && rows.back().step == state_.step()) {
      recorders_->epoch(rows.back());
    }
    write_metrics();
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
    log_->info("{} {} after step {} of {}",
               state_.finished() ? "finished already:" : "resumed from", found.file.string(),
               state_.step(), length_.total_steps);
    if (found.checkpoint.state->machine != machine_description()) {
      log_->warn(
          "it was made with {}; now it is {}: last digits may differ from those of an "
          "uninterrupted run",
          found.checkpoint.state->machine, machine_description());
    }
    if (!state_.lost_times().empty()) {
      log_->warn("{}; the times of earlier epochs are unknown", state_.lost_times());
    }
    settle_best(found.file.parent_path());
  }

  // Makes best.safetensors what the rows say of a run that goes on from a checkpoint in `from`.
  void settle_best(const fs::path& from) {
    const EpochMetrics* const best = state_.best();
    if (restore_best(from, folder_, best ? best->step : -1) || best == nullptr) return;
    if (best->step == state_.step() && write(kBestFile)) return;
    log_->warn("{}: the weights of the best epoch, {}, are not there; the next epoch is the best",
               (from / kBestFile).string(), best->epoch);
    state_.forget_best();
  }

  // Saves what is not saved yet; a run that cannot leave its result has failed.
  void finish() {
    if (unsaved_ && !save(kLastFile)) {
      throw IoError(
          fmt::format("train: {}: expected to write the checkpoint of step {}, got the "
                      "error above; what was written before is as it was",
                      (folder_ / kLastFile).string(), state_.step()));
    }
    if (state_.now.skipped > 0) log_->warn("{} updates were skipped", state_.now.skipped);
    if (stop_requested()) {
      log_->warn("stopped after step {} of {}; checkpoint: {}", state_.step(), length_.total_steps,
                 (folder_ / kLastFile).string());
    } else {
      if (state_.stopped_early()) {
        log_->info(
            "stopped early, after epoch {} of {}: no better {} top-1 in the last {} evaluations",
            state_.epoch, o_.epochs, data_.test_name, o_.patience);
      }
      log_->info("{}, results in {}",
                 state_.now.best_top1 < 0
                     ? "no best " + best_measure()
                     : fmt::format("best {} {:.2f} %", best_measure(), state_.now.best_top1),
                 folder_.string());
    }
  }

  std::string best_measure() const {
    return data_.test_name + (state_.ema ? " top-1 of the averaged weights" : " top-1");
  }

  // ---- epochs

  // From where the epoch stands to its end, the last step of the run, or a signal.
  void train_epoch() {
    if (!state_.net.is_training()) state_.net.train();  // what was frozen by eval() stays so
    train_loader_.start_epoch(o_.overfit_batch ? 0 : state_.epoch,
                              state_.now.epoch_step * o_.accumulate);
    record([](auto& r) { r.begin_epoch(); });
    const double seconds_before = state_.now.seconds;
    const Clock::time_point start = Clock::now();
    while (state_.now.epoch_step < length_.steps_per_epoch && state_.step() < length_.total_steps &&
           !stop_requested()) {
      const StepValues values = train_step();
      ++state_.now.epoch_step;
      count(values);
      state_.now.seconds = seconds_before + seconds_since(start);
      unsaved_ = true;
      const StepResult result{.step = state_.step(),
                              .epoch = state_.epoch + 1,
                              .epoch_step = state_.now.epoch_step,
                              .images = values.images,
                              .loss = values.loss,
                              .top1 = values.top1,
                              .epoch_loss = state_.now.loss.mean(),
                              .epoch_top1 = state_.now.top1.mean(),
                              .lr = state_.optimizer->lr(),
                              .grad_norm = values.grad_norm,
                              .wait_seconds = train_loader_.wait_seconds()};
      record([&](auto& r) { r.step(result, state_.net); });
      if (checkpoint_due()) save(kLastFile);
    }
    record([](auto& r) { r.end_training(); });
    require<DivergenceError>(
        state_.now.epoch_step == 0 || state_.now.loss.weight() > 0 || stop_requested(),
        "train: epoch {}: expected an update with finite values, got none: all {} "
        "were skipped",
        state_.epoch + 1, state_.now.epoch_step);
  }

  void count(const StepValues& values) {
    if (values.skipped) {
      log_->warn("skipped the update of step {}: {}", state_.step(), *values.skipped);
      ++state_.now.skipped;
      return;
    }
    state_.now.loss.add(values.loss, values.images);
    state_.now.top1.add(values.top1, values.images);
  }

  Evaluation evaluate_now() {
    return evaluate(state_.net, test_loader_, data_.test->num_classes,
                    {.limit_batches = o_.limit_eval_batches,
                     .stop = stop_,
                     .ranks = ranks_,
                     .progress = [this](auto done, auto total) {
                       record([&](auto& r) { r.evaluation(done, total); });
                     }});
  }

  void check_finite(const Evaluation& evaluation, std::int64_t epoch) {
    if (evaluation.nonfinite.empty()) return;
    const std::string message =
        fmt::format("train: epoch {}: expected an evaluation with a finite loss, got {}: {}", epoch,
                    evaluation.loss, evaluation.nonfinite);
    if (o_.on_nonfinite == "stop") stop_at_nonfinite(message, state_.capture());
    log_->warn("{}; it cannot be the best", message);
  }

  EpochMetrics training_metrics() const {
    const TrainState& now = state_.now;
    return {.epoch = state_.epoch + 1,
            .step = state_.step(),
            .lr = learning_rate(schedule_, state_.step() - 1),
            .train_loss = now.loss.mean(),
            .train_top1 = now.top1.mean(),
            .images_per_s = static_cast<double>(now.loss.weight()) / now.seconds,
            .seconds = now.seconds};
  }

  // Evaluates the weights, and the averaged ones where there are some. Returns whether it came to
  // the end.
  bool add_evaluations(EpochMetrics& metrics) {
    const Evaluation evaluation = evaluate_now();
    if (evaluation.interrupted) return false;
    std::optional<Evaluation> averaged;
    if (state_.ema) {
      const Ema::Applied applied(*state_.ema);
      averaged = evaluate_now();
      if (averaged->interrupted) return false;
    }
    check_finite(evaluation, metrics.epoch);
    metrics.test_loss = evaluation.loss;
    metrics.test_top1 = evaluation.top1;
    metrics.seconds += evaluation.seconds;
    if (!averaged) return true;
    check_finite(*averaged, metrics.epoch);
    metrics.ema_test_loss = averaged->loss;
    metrics.ema_test_top1 = averaged->top1;
    metrics.seconds += averaged->seconds;
    return true;
  }

  void log_epoch(const EpochMetrics& m) {
    const auto evaluation = [&](double loss, double top1) {
      return fmt::format("{} loss {:.4f} top-1 {:.2f} %", data_.test_name, loss, top1);
    };
    const bool evaluated = !std::isnan(m.test_top1);
    log_->info(
        "epoch {:>3}  lr {:.4g}  train loss {:.4f} top-1 {:.2f} %{}  {:.0f} images/s  {:.1f} s",
        m.epoch, m.lr, m.train_loss, m.train_top1,
        evaluated ? "  " + evaluation(m.test_loss, m.test_top1) : "", m.images_per_s, m.seconds);
    if (!std::isnan(m.ema_test_top1)) {
      log_->info("averaged weights: {}", evaluation(m.ema_test_loss, m.ema_test_top1));
    }
  }

  // Of a run that goes on to end where it stands.
  void evaluate_last_epoch() {
    EpochMetrics metrics = state_.now.epochs.back();
    if (!add_evaluations(metrics)) return;
    state_.now.epochs.pop_back();
    finish_epoch(metrics);
  }

  void finish_epoch(const EpochMetrics& metrics) {
    log_epoch(metrics);
    record([&](auto& r) { r.epoch(metrics); });
    require_equal_weights();
    const double top1_before = state_.now.best_top1;
    const std::int64_t step_before = state_.now.best_step;
    unsaved_ = true;
    // the best first: whoever goes on from `last` can rely on it
    if (state_.add(metrics) && !save(kBestFile)) {
      state_.now.best_top1 = top1_before;
      state_.now.best_step = step_before;
    }
    if (save(kLastFile) && state_.stays(metrics) && ranks_.leads()) {
      // nobody goes on from before this evaluation any more
      std::error_code ignored;
      fs::remove(previous_file(folder_ / kBestFile, 1), ignored);
    }
    if (ranks_.leads()) write_metrics();
  }

  // ---- steps

  StepValues train_step() {
    state_.optimizer->set_lr(learning_rate(schedule_, state_.step()));
    state_.optimizer->set_momentum(momentum(schedule_, state_.step()));
    const auto next = [this] {
      data::Batch batch = train_loader_.next().value();
      record([](auto& r) { r.mark("data wait"); });
      return batch;
    };
    try {
      return state_.update(images_per_update(data_.train->size(), o_), next);
    } catch (const NonfiniteError& error) {
      Checkpoint checkpoint = state_.capture();
      checkpoint.others = evidence(state_.net, error.batch(), ranks_);
      stop_at_nonfinite(error.what(), checkpoint);
    }
  }

  [[noreturn]] void stop_at_nonfinite(const std::string& message, const Checkpoint& checkpoint) {
    const fs::path file = folder_ / kNonfiniteFile;
    std::string state = "the state at that point is in " + file.string();
    try {
      if (ranks_.leads()) write_checkpoint(file, checkpoint);
    } catch (const IoError& failure) {
      state = failure.what();
    }
    throw DivergenceError(
        fmt::format("{}; {}; try a lower --lr, a warm-up or --on-nonfinite skip", message, state));
  }

  // ---- checkpoints

  bool checkpoint_due() {
    const bool time = ranks_.leads() && o_.checkpoint_minutes > 0 &&
                      seconds_since(last_save_) >= 60 * o_.checkpoint_minutes;
    return ranks_.any(save_wanted_() || time);
  }

  // Whether it was written. If not, training goes on: the next one may succeed.
  bool save(std::string_view file) {
    last_save_ = Clock::now();
    const bool written = ranks_.any(ranks_.leads() && write(file));
    if (written && file == kLastFile) unsaved_ = false;
    return written;
  }

  bool write(std::string_view file) {
    try {
      // before `last`, so that a finished run has the averages that belong to its end
      if (state_.ema && file == kLastFile) write_checkpoint(folder_ / kEmaFile, state_.averaged());
      const bool for_use = state_.ema && file == kBestFile;
      // the best before stays until `last` is written: whoever goes on from the one before needs it
      write_checkpoint(folder_ / file, for_use ? state_.averaged() : state_.capture(),
                       file == kLastFile ? o_.keep : 1);
    } catch (const IoError& error) {
      log_->warn("no checkpoint of step {}: {}; earlier ones are as they were", state_.step(),
                 error.what());
      return false;
    }
    return true;
  }

  void write_metrics() {
    try {
      write_metrics_csv(folder_ / "metrics.csv", state_.now.epochs);
    } catch (const IoError& error) {
      log_->warn("{}", error.what());
    }
  }

  Communicator& ranks_;
  data::DataSplits data_;
  RunOptions o_;
  fs::path folder_;
  std::optional<RunFolder> run_folder_;
  data::Loader train_loader_, test_loader_;
  RunLength length_;
  RunState state_;
  ScheduleOptions schedule_;
  std::stop_token stop_;
  const std::function<bool()>& save_wanted_;
  const ResolveDefaults& resolve_;
  std::optional<Recorders> recorders_;  // of rank 0
  std::shared_ptr<spdlog::logger> log_ = std::make_shared<spdlog::logger>("silent");

  bool unsaved_ = false;
  Clock::time_point last_save_;
};

}  // namespace

TrainResult run_training(Module& net, const data::DataSplits& data, const RunOptions& options,
                         CheckpointInfo info, std::stop_token stop, const ResolveDefaults& resolve,
                         Communicator& ranks, const std::function<bool()>& save_wanted) {
  RunOptions o = options;
  std::optional<FoundCheckpoint> found = find_checkpoint(o.resume, o.output_dir, ranks);
  o.shards = resolve_shards(o.shards, found, ranks.size());
  Run run(net, data, o, std::move(info), std::move(stop), resolve, ranks, save_wanted);
  return run.fit(std::move(found));
}

}  // namespace resgrad
