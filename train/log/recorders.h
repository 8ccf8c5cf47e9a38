// All that a training run shows and writes about its course, told of each step and epoch: progress,
// log, metrics.jsonl, TensorBoard events and the profile.
#pragma once

#include <spdlog/logger.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "core/clock.h"
#include "nn/module.h"
#include "train/io/event_file.h"
#include "train/log/metrics.h"
#include "train/log/metrics_jsonl.h"
#include "train/log/profile.h"
#include "train/log/progress.h"

namespace resgrad {

/// The length of a run.
struct RunLength {
  std::int64_t epochs = 0, steps_per_epoch = 0;
  std::int64_t total_steps = 0;  ///< less than those of all epochs where max_steps ends it
  std::int64_t eval_every = 1;   ///< epochs between two evaluations; the end has one in any case
};

/// What the rest of a run takes after `step` updates, the last of them in `epoch` (from 1): its
/// updates, and the evaluations of the epochs that it reaches.
double seconds_left(const RunLength& length, std::int64_t epoch, std::int64_t step, double per_step,
                    double per_evaluation);

/// Where a run records, and how much.
struct RecorderOptions {
  std::filesystem::path folder = {};
  std::int64_t print_freq = 50;  ///< updates between two records
  bool quiet = false;            ///< nothing on standard output
  bool profile = false;
  bool log_norms = false;
};

/// A step that was just done.
struct StepResult {
  std::int64_t step = 0;        ///< updates since the start of training, this one included
  std::int64_t epoch = 0;       ///< from 1
  std::int64_t epoch_step = 0;  ///< of the epoch, from 1
  std::int64_t images = 0;      ///< of its batches
  double loss = 0, top1 = 0;    ///< of its batches; percent
  double epoch_loss = 0, epoch_top1 = 0;  ///< means over the epoch so far
  double lr = 0;
  std::optional<double> grad_norm = {};  ///< before clipping
  double wait_seconds = 0;               ///< for data, since begin_epoch()
};

/// Writes to the folder of the run (options.folder), which must exist:
///   train.log         what is logged, on the console too unless options.quiet
///   metrics.jsonl     every options.print_freq-th step of an epoch and its last
///   events.out.*      the same steps as train/... (grad_norm when clipped), epochs as epoch/...,
///   and with options.log_norms
///                     grad_norm/... and weight_norm/... of every parameter and of all (total)
///   profile.json      with options.profile: the first ten steps of the run as a Chrome trace
/// and shows the progress on standard output. A file that cannot be written, such as on a full
/// disk, is warned of once and does not end the run; what is missing of metrics.jsonl and the
/// events is written as soon as it can.
class Recorders {
 public:
  /// With `last_step` the run goes on behind that step in a folder that may hold records: later
  /// ones are dropped, and with `drop_evaluation` the events of that step too, those of an
  /// evaluation that comes later now.
  /// Throws  IoError when a file cannot be opened.
  Recorders(RecorderOptions options, RunLength length, std::optional<std::int64_t> last_step = {},
            bool drop_evaluation = false);

  const std::shared_ptr<spdlog::logger>& log() const { return log_; }

  void begin_epoch();
  /// The time of this thread since the last mark or operation was `what`, for the profile.
  void mark(std::string_view what, double bytes = 0) {
    if (profile_) profile_->mark(what, bytes);
  }
  /// `net` holds the updated weights and the gradients that led to them.
  void step(const StepResult& result, const Module& net);
  /// The training part of the epoch has ended, evaluation follows.
  void end_training();
  /// So many batches of an evaluation are done.
  void evaluation(std::int64_t done, std::int64_t total) {
    progress_.update_evaluation(done, total);
  }
  void epoch(const EpochMetrics& metrics);

 private:
  // A file, and whether its last write failed.
  template <class File>
  struct Output {
    template <class... Arguments>
    explicit Output(Arguments&&... arguments) : file(std::forward<Arguments>(arguments)...) {}
    File file;
    bool failed = false;
  };

  void record(const StepResult& result, const Module& net);
  void show(const StepResult& result);
  void write_profile();
  // Runs f, which writes; an error is a warning unless the write before failed too.
  void attempt(bool& failed, const std::function<void()>& f);

  RecorderOptions o_;
  RunLength length_;
  Progress progress_;
  std::shared_ptr<spdlog::logger> log_;
  Output<MetricsJsonl> jsonl_;
  Output<EventFile> events_;
  std::optional<Profile> profile_;
  bool traced_ = false, trace_failed_ = false;

  // since begin_epoch() and since the last record
  struct Interval {
    Clock::time_point start;
    std::int64_t images = 0, steps = 0;
    double wait_seconds = 0;
    double seconds() const { return seconds_since(start); }
  };
  Interval epoch_, interval_;
  double training_seconds_ = 0;
  double evaluation_seconds_ = 0;  // of the last epoch
};

}  // namespace resgrad
