// The training loop: epochs of steps, evaluation after each, results in a folder.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "core/check.h"
#include "data/datasets.h"
#include "nn/module.h"
#include "train/checkpoint.h"
#include "train/dist/communicator.h"
#include "train/log/metrics.h"
#include "train/resume.h"
#include "train/run_options.h"

namespace resgrad {

/// A run has ended since its values are not finite: the settings are to blame, not the machine.
struct DivergenceError : StateError {
  using StateError::StateError;
};

struct TrainResult {
  std::vector<EpochMetrics> epochs;  ///< all finished ones, those before a resumption included
  bool stopped = false;              ///< by the stop token
};

/// Trains `net` on `data` as `options` say and writes to options.output_dir: args.json,
/// metrics.csv (a row per finished epoch), train.log, last.safetensors (after each epoch, every
/// checkpoint_minutes within one, and at the end; `keep` earlier ones beside it) and
/// best.safetensors (highest accuracy on data.test); with ema_decay the averaged weights are
/// evaluated too and written to ema.safetensors whenever last.safetensors is, and the best is
/// theirs: chosen by their accuracy, a weights file that holds them. Results of an earlier
/// run in that folder are moved aside or deleted as RunFolder says, unless
/// options.resume says to go on from them. `info` describes `net` for the files. A request to
/// `stop` ends it after the current step or batch of the evaluation, with a checkpoint written. A
/// checkpoint that cannot be written is a warning, as long as the last one at the end can. For a
/// given seed, two runs agree bit for bit, times apart, on any number of threads, whether they were
/// interrupted and resumed or not: last.safetensors of finished runs are the same bytes. Loss and
/// gradients are checked before each update, and the loss of evaluations; when one is not finite,
/// on_nonfinite `stop` writes nonfinite.safetensors (the checkpoint, the batch and, if there are,
/// gradients) and throws, `skip` leaves network and velocities as they were before the step.
/// Epochs without an evaluation (eval_every) have NaN in its place. With `patience` the run ends
/// when so many evaluations were without a gain, as train/early_stopping.h counts them.
/// `resolve` gives the defaults of the network's family, so that a resumed run may name them. All
/// of `ranks` call it with the same network, data and options; rank 0 writes and logs, and its
/// checkpoint is the one to go on from. The bits depend on options.shards, which is the number of
/// ranks by default, not on the ranks that share them out. A checkpoint is also written after a
/// step when `save_wanted` says so at one of them; it is asked once a step.
/// Throws  ValueError for settings out of range, or those of another run than the checkpoint's;
///         IoError when files cannot be read or written; DivergenceError when the loss of a step or
///         an evaluation or a gradient is not finite, naming step, layer and tensor, or when a
///         whole epoch was skipped; StateError when ranks have other data or weights.
TrainResult run_training(
    Module& net, const data::DataSplits& data, const RunOptions& options, CheckpointInfo info,
    std::stop_token stop = {}, const ResolveDefaults& resolve = {},
    Communicator& ranks = Communicator::alone(),
    const std::function<bool()>& save_wanted = [] { return false; });

}  // namespace resgrad
