#include "train/lr_range.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "train/trial.h"

namespace resgrad {
namespace {

constexpr double kKept = 0.98;   // of the weights of earlier losses
constexpr double kDiverged = 4;  // times the lowest smoothed loss
constexpr std::size_t kUnsmoothed = 10;
constexpr std::int64_t kFewest = 20;

}  // namespace

LrRange::LrRange(const LrRangeOptions& options) : options_(options) {
  require<ValueError>(options.start > 0 && std::isfinite(options.start),
                      "find_lr: start: expected a finite number above 0, got {}", options.start);
  require<ValueError>(options.end > options.start && std::isfinite(options.end),
                      "find_lr: end: expected a finite number above the start {}, got {}",
                      options.start, options.end);
  require<ValueError>(options.steps >= kFewest, "find_lr: steps: expected at least {}, got {}",
                      kFewest, options.steps);
}

double LrRange::next_lr() const {
  const double share =
      static_cast<double>(points_.size()) / static_cast<double>(options_.steps - 1);
  return options_.start * std::pow(options_.end / options_.start, share);
}

void LrRange::add(double loss) {
  diverged_ = !std::isfinite(loss);
  if (diverged_) return;
  weighted_sum_ = kKept * weighted_sum_ + loss;
  weight_ = kKept * weight_ + 1;
  points_.push_back({.lr = next_lr(), .loss = loss, .smoothed = weighted_sum_ / weight_});
  diverged_ = points_.back().smoothed > kDiverged * points_[*lowest()].smoothed;
}

std::optional<std::size_t> LrRange::lowest() const {
  if (points_.empty()) return std::nullopt;
  return std::ranges::min_element(points_, {}, &LrPoint::smoothed) - points_.begin();
}

std::optional<std::size_t> LrRange::steepest() const {
  std::optional<std::size_t> found;
  double steepest = 0;
  for (std::size_t i = kUnsmoothed; i + 1 < points_.size() && i <= *lowest(); ++i) {
    const LrPoint &before = points_[i - 1], &after = points_[i + 1];
    const double slope = (after.smoothed - before.smoothed) / std::log(after.lr / before.lr);
    if (slope >= steepest) continue;
    steepest = slope;
    found = i;
  }
  return found;
}

std::optional<double> LrRange::suggestion() const {
  if (!steepest()) return std::nullopt;
  return points_[*lowest()].lr / 10;
}

LrRange find_lr(Module& net, const data::DataSplits& data, const RunOptions& run,
                const LrRangeOptions& options, const std::stop_token& stop) {
  LrRange range(options);
  Trial trial(net, data, run);
  while (!range.finished() && !stop.stop_requested()) {
    try {
      range.add(trial.step(range.next_lr()).loss);
    } catch (const NonfiniteError&) {  // the end that is looked for
      range.add(std::nan(""));
    }
  }
  return range;
}

std::string to_csv(const LrRange& range) {
  std::string csv = "lr,loss,smoothed_loss,mark\n";
  for (std::size_t i = 0; i < range.points().size(); ++i) {
    const LrPoint& p = range.points()[i];
    csv += fmt::format("{},{},{},{}\n", p.lr, p.loss, p.smoothed,
                       range.steepest() == i ? "steepest"
                       : range.lowest() == i ? "lowest"
                                             : "");
  }
  return csv;
}

}  // namespace resgrad
