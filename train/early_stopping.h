// Early stopping: how long a run has been without a gain. A function of its rows, which checkpoints
// hold, so that a run that was interrupted stops where one that was not does.
#pragma once

#include <cstdint>
#include <vector>

#include "train/log/metrics.h"

namespace resgrad {

/// The number of evaluations since the last gain. A gain is a top-1 of decisive_evaluation() above
/// that of the last gain by more than `min_delta` percentage points; the first evaluation is one.
/// Epochs without an evaluation (it is NaN) do not count; an evaluation whose loss is not finite is
/// never a gain.
/// Source  Prechelt 1998, "Early stopping - but when?", criterion UP, with the threshold and the
///         best that moves with gains alone of PyTorch Lightning's EarlyStopping.
std::int64_t evaluations_without_gain(const std::vector<EpochMetrics>& epochs, double min_delta);

}  // namespace resgrad
