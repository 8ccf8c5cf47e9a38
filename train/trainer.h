// The training loop: epochs of steps, evaluation after each, results in a folder.
#pragma once

#include <vector>

#include "nn/module.h"
#include "train/checkpoint.h"
#include "train/datasets.h"
#include "train/metrics.h"
#include "train/run_options.h"

namespace resgrad {

struct TrainResult {
  std::vector<EpochMetrics> epochs;
  int signal = 0;  ///< SIGINT or SIGTERM that ended it early, or 0
};

/// Trains `net` on `data` by SGD as `options` say and writes to options.output_dir: args.json,
/// metrics.csv (a row per epoch), train.log, last.safetensors (after each epoch and at the end) and
/// best.safetensors (highest accuracy on data.test). Results of an earlier run in that folder are
/// moved aside to a folder with the suffix `.previous-N`. `info` describes `net` for the weights
/// files. A signal ends it after the current step, with the weights written.
/// For a given seed and number of threads, two runs agree bit for bit, times apart.
/// Throws  ValueError for settings out of range, IoError when files cannot be written, StateError
///         when the loss is not finite.
TrainResult run_training(Module& net, const DataSplits& data, const RunOptions& options,
                         CheckpointInfo info);

}  // namespace resgrad
