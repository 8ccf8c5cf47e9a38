#include "train/early_stopping.h"

#include <cmath>
#include <limits>

namespace resgrad {

std::int64_t evaluations_without_gain(const std::vector<EpochMetrics>& epochs, double min_delta) {
  double best = -std::numeric_limits<double>::infinity();
  std::int64_t without = 0;
  for (const EpochMetrics& epoch : epochs) {
    const EvaluatedWeights evaluated = decisive_evaluation(epoch);
    if (std::isnan(evaluated.top1)) continue;
    const bool gain = std::isfinite(evaluated.loss) && evaluated.top1 > best + min_delta;
    without = gain ? 0 : without + 1;
    if (gain) best = evaluated.top1;
  }
  return without;
}

}  // namespace resgrad
