#include "train/dry_run.h"

#include <algorithm>

#include "core/clock.h"
#include "train/evaluate.h"
#include "train/run_data.h"
#include "train/trial.h"

namespace resgrad {
namespace {

constexpr int kWarmUp = 2, kFewest = 3, kMost = 10;
constexpr double kLongEnough = 10;  // seconds
constexpr std::int64_t kEvaluated = 3;

// The time of all images that an evaluation of the run sees.
double time_evaluation(Module& net, const data::DataSplits& data, const RunOptions& o,
                       const std::stop_token& stop) {
  data::Loader loader(data.test, eval_loader_options(data, o));
  const std::int64_t batches = o.limit_eval_batches > 0
                                   ? std::min(o.limit_eval_batches, loader.batches())
                                   : loader.batches();
  const auto seconds_of = [&](std::int64_t count) {
    return evaluate(net, loader, data.test->num_classes, {.limit_batches = count, .stop = stop})
        .seconds;
  };
  seconds_of(1);
  const std::int64_t timed = std::min(kEvaluated, batches);
  const int networks = o.ema_decay > 0 ? 2 : 1;  // with that of the averaged weights
  return networks * seconds_of(timed) * static_cast<double>(batches) / static_cast<double>(timed);
}

}  // namespace

double DryRun::median_step_seconds() const {
  const std::size_t n = step_seconds.size();
  return n == 0 ? 0 : (step_seconds[(n - 1) / 2] + step_seconds[n / 2]) / 2;
}

double DryRun::run_seconds() const {
  return seconds_left(length, 1, 0, median_step_seconds(), evaluation_seconds);
}

DryRun dry_run(Module& net, const data::DataSplits& data, const RunOptions& options,
               const std::stop_token& stop) {
  Trial trial(net, data, options);
  DryRun result{.length = trial.length(), .data = trial.data()};
  for (int i = 0; i < kWarmUp && !stop.stop_requested(); ++i) trial.step();
  const double waited_before = trial.wait_seconds();
  const Clock::time_point begin = Clock::now();
  const auto enough = [&] {
    const auto timed = std::ssize(result.step_seconds);
    return timed >= kMost || (timed >= kFewest && seconds_since(begin) > kLongEnough);
  };
  while (!enough() && !stop.stop_requested()) {
    const Clock::time_point start = Clock::now();
    result.images_per_step = trial.step().images;
    result.step_seconds.push_back(seconds_since(start));
  }
  result.wait_share = (trial.wait_seconds() - waited_before) / seconds_since(begin);
  std::ranges::sort(result.step_seconds);
  if (!stop.stop_requested()) {
    result.evaluation_seconds = time_evaluation(net, result.data, options, stop);
  }
  result.interrupted = stop.stop_requested();
  return result;
}

}  // namespace resgrad
