// What of a run its checkpoints hold: the network and what trains it, and where the run stands.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "nn/module.h"
#include "train/checkpoint.h"
#include "train/log/recorders.h"
#include "train/optim/ema.h"
#include "train/optim/optimizer.h"
#include "train/resume.h"
#include "train/run_options.h"
#include "train/step.h"

namespace resgrad {

class RunState {
 public:
  /// At the beginning, on so many training images of `data`, as describe() of run_data.h says it.
  /// `mark` is that of TrainStepOptions. `net` must outlive it.
  /// Throws  ValueError for settings out of range.
  RunState(Module& net, const RunOptions& options, CheckpointInfo info, RunLength length,
           std::int64_t train_images, std::string data, std::function<void(std::string_view)> mark,
           Communicator& ranks = Communicator::alone());
  RunState(const RunState&) = delete;
  RunState& operator=(const RunState&) = delete;

  /// Puts the run where the checkpoint left it. An evaluation that was there for the end of the run
  /// alone is dropped if the run goes further now, within an epoch with its row: as if it had not
  /// been.
  /// Throws  ValueError when the checkpoint is one of another run, naming what differs;
  ///         differing_settings() says what `resolve` is for.
  void restore(const FoundCheckpoint& found, const ResolveDefaults& resolve = {});
  /// What was wrong with the metrics.csv beside the checkpoint, whose times are missing then.
  const std::string& lost_times() const { return lost_times_; }
  /// What a checkpoint at this point holds. The tensors are the run's own.
  Checkpoint capture() const;
  /// The averaged weights at this point as a network for use. With `ema` alone.
  Checkpoint averaged() const;

  /// Updates done, skipped ones included.
  std::int64_t step() const { return update.steps(); }
  /// Whether there is an evaluation at the end of the steps that are done, which are those of an
  /// epoch or the last of the run.
  bool evaluation_due() const;
  /// Whether `row` has what a longer run has there, too: it is that of a whole epoch, evaluated or
  /// not as eval_every says.
  bool stays(const EpochMetrics& row) const;
  /// Whether as many evaluations as `patience` allows were without a gain before all steps are
  /// done.
  bool stopped_early() const;
  /// Whether all steps are done and those of the last epoch are not evaluated: the run was to be
  /// longer when they were done.
  bool lacks_last_evaluation() const;
  /// Whether all steps are done and evaluated, or the run stopped early.
  bool finished() const;
  /// Whether restore() dropped an evaluation.
  bool dropped_evaluation() const { return dropped_; }
  /// Takes in the row of an epoch or, at max_steps, of a part of one. Returns whether it is the
  /// best so far by its decisive_evaluation(); one that is not finite never is.
  bool add(const EpochMetrics& row);
  /// The best of the rows so far, or nullptr.
  const EpochMetrics* best() const;
  /// Its weights are gone: the next evaluation is the best.
  void forget_best();

  /// What the constructor was told of the data.
  const std::string& data() const { return data_; }

  Module& net;
  const std::unique_ptr<Optimizer> optimizer;
  std::optional<Ema> ema;
  TrainStep update;
  TrainState now;          ///< of the epoch that has begun, and the rows so far
  std::int64_t epoch = 0;  ///< epochs finished

 private:
  bool is_better(const EpochMetrics& row) const;
  void set_best(const EpochMetrics& row);
  void drop_last_evaluation();

  RunOptions options_;
  CheckpointInfo info_;
  RunLength length_;
  std::int64_t train_images_;
  std::string data_;
  bool dropped_ = false;
  std::string lost_times_ = {};
};

/// What the bits of a result depend on beside the settings, as checkpoints say it: "kernels avx2,
/// convolution auto".
std::string machine_description();

}  // namespace resgrad
