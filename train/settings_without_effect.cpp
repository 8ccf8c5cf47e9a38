#include "train/settings_without_effect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

namespace resgrad {

std::vector<std::string> settings_without_effect(const RunOptions& options) {
  std::vector<std::string> found;
  RunOptions o = options, defaults;
  const Settings rows = settings(o), default_rows = settings(defaults);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Setting& row = rows[i];
    if (row.only_with.holds || json_value(row) == json_value(default_rows[i])) continue;
    found.push_back(
        fmt::format("{} has no effect: it has one only {}", row.name, row.only_with.text));
  }
  constexpr std::int64_t kFewImages = 16;
  if (o.shards > 1 && o.bn == "local" && o.batch_size / o.shards < kFewImages) {
    found.push_back(
        fmt::format("shards: batch norms take the statistics of {} images, those of a shard, which "
                    "are poor below {}: see --bn, -b",
                    o.batch_size / o.shards, kFewImages));
  }
  const auto epochs = static_cast<double>(o.epochs);
  if (o.lr_scheduler == "multistep" && !o.lr_milestones_in_steps && !o.lr_milestones.empty() &&
      o.lr_milestones.back() >= o.epochs) {
    found.push_back(fmt::format("lr-milestones: not all of {} lie within the {} epochs of the run",
                                fmt::join(o.lr_milestones, ", "), o.epochs));
  }
  if (o.lr_scheduler == "step" && o.lr_step_size >= o.epochs) {
    found.push_back(
        fmt::format("lr-step-size: the run of {} epochs ends before the first drop, "
                    "after {}",
                    o.epochs, o.lr_step_size));
  }
  if (o.lr_warmup_epochs >= epochs) {
    found.push_back(
        fmt::format("lr-warmup-epochs: the run of {} epochs ends within its warm-up of {}",
                    o.epochs, o.lr_warmup_epochs));
  }
  return found;
}

}  // namespace resgrad
