// A dry run: what a training will take, measured over a few updates and batches of an evaluation.
#pragma once

#include <stop_token>
#include <vector>

#include "data/datasets.h"
#include "nn/module.h"
#include "train/log/recorders.h"
#include "train/run_options.h"

namespace resgrad {

struct DryRun {
  RunLength length;
  data::DataSplits data = {};  ///< that the run trains on and evaluates
  std::int64_t images_per_step = 0;
  std::vector<double> step_seconds = {};  ///< of the updates that were timed, from the fastest on
  double wait_share = 0;                  ///< of their time that went into waiting for data
  double evaluation_seconds = 0;  ///< of one evaluation, by those of its batches that were timed
  bool interrupted = false;       ///< by the stop token; the figures are not complete

  double median_step_seconds() const;
  /// Of all updates and evaluations.
  double run_seconds() const;
};

/// Does the first updates of the run that run_training() would do, on its data: two, which are not
/// timed, then ten, or as many as fit into ten seconds but at least three; and evaluates a few
/// batches. `net` is not as it was afterwards. Writes nothing.
/// Throws  as run_training().
DryRun dry_run(Module& net, const data::DataSplits& data, const RunOptions& options,
               const std::stop_token& stop = {});

}  // namespace resgrad
