// The learning-rate range test: a short training at rates that grow from update to update, to see
// which rates the loss falls at.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "data/datasets.h"
#include "nn/module.h"
#include "train/run_options.h"

namespace resgrad {

struct LrRangeOptions {
  double start = 1e-7, end = 10;
  std::int64_t steps = 100;
};

struct LrPoint {
  double lr = 0;
  double loss = 0;      ///< of the batches of the update, before it
  double smoothed = 0;  ///< mean of the losses so far, weighted by 0.98^age
};

/// The course of a range test: rates that grow exponentially,
///   lr(i) = start * (end / start)^(i / (steps - 1)), i = 0 .. steps - 1,
/// and the losses at them. It ends when a loss is not finite, or when the smoothed loss is more
/// than four times the lowest one.
/// Source  Smith 2017, arXiv:1506.01186, section 3.3, with exponential rates, the smoothing
///         (0.98, without the bias to zero of its beginning) and the end of fastai's lr_find.
class LrRange {
 public:
  /// Throws  ValueError unless 0 < start < end, both finite, and steps is at least 20.
  explicit LrRange(const LrRangeOptions& options);

  bool finished() const { return diverged_ || std::ssize(points_) == options_.steps; }
  /// The rate of the next update.
  double next_lr() const;
  /// The loss of that update.
  void add(double loss);

  /// Those with a finite loss.
  const std::vector<LrPoint>& points() const { return points_; }
  bool diverged() const { return diverged_; }
  /// The number of the point with the lowest smoothed loss, if there are any.
  std::optional<std::size_t> lowest() const;
  /// The number of the point, up to the lowest, where the smoothed loss falls steepest against the
  /// logarithm of the rate. The first ten points, which are hardly smoothed, do not count. Nothing
  /// when the loss does not fall.
  std::optional<std::size_t> steepest() const;
  /// A tenth of the rate at the lowest smoothed loss: fastai's rule "minimum", which depends less
  /// on the noise of single losses than the steepest point. Nothing when the loss does not fall.
  std::optional<double> suggestion() const;

 private:
  LrRangeOptions options_;
  std::vector<LrPoint> points_;
  double weighted_sum_ = 0, weight_ = 0;
  bool diverged_ = false;
};

/// Trains `net` through a range test, on the data and with the settings of a run, of which learning
/// rate, schedule and length do not count; until a `stop` is requested. `net` is not as it was
/// afterwards. Writes nothing.
/// Throws  ValueError as LrRange and run_training().
LrRange find_lr(Module& net, const data::DataSplits& data, const RunOptions& run,
                const LrRangeOptions& options, const std::stop_token& stop = {});

/// `lr,loss,smoothed_loss,mark`, a line per point; the mark is "steepest", "lowest" or nothing.
std::string to_csv(const LrRange& range);

}  // namespace resgrad
