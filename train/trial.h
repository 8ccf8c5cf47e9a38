// The beginning of a run without the run: updates on its data as it would do them, and no folder.
#pragma once

#include <optional>

#include "data/datasets.h"
#include "data/loader.h"
#include "nn/module.h"
#include "train/optim/schedule.h"
#include "train/run_options.h"
#include "train/run_state.h"

namespace resgrad {

class Trial {
 public:
  /// `net`, which the updates change, must outlive it.
  /// Throws  ValueError as run_training().
  Trial(Module& net, const data::DataSplits& data, const RunOptions& options);

  /// The next update of the run, epoch after epoch without an evaluation in between.
  /// Throws  NonfiniteError as TrainStep.
  StepValues step();
  /// The same at another learning rate, with the momentum of the first step.
  StepValues step(double lr);

  /// What the run trains on and evaluates.
  const data::DataSplits& data() const { return data_; }
  const RunLength& length() const { return length_; }
  /// Seconds that step() waited for data so far.
  double wait_seconds() const { return waited_ + loader_.wait_seconds(); }

 private:
  StepValues update(double lr, double momentum);

  data::DataSplits data_;
  RunOptions options_;
  data::Loader loader_;
  RunLength length_;
  RunState state_;
  ScheduleOptions schedule_;
  std::int64_t epochs_begun_ = 0, left_in_epoch_ = 0;
  double waited_ = 0;  // in the epochs before
};

}  // namespace resgrad
