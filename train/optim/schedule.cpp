#include "train/optim/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

#include "core/check.h"

namespace resgrad {
namespace {

std::int64_t warmup_steps(const ScheduleOptions& o) {
  return std::llround(o.warmup_epochs * static_cast<double>(o.steps_per_epoch));
}

// From `from` at share 0 to `to` at share 1 along half a cosine.
double cosine_between(double from, double to, double share) {
  return from + (to - from) * (1 - std::cos(std::numbers::pi * share)) / 2;
}

double constant(const ScheduleOptions& o, std::int64_t) {
  return o.base_lr;
}

double step_decay(const ScheduleOptions& o, std::int64_t step) {
  const std::int64_t drops = step / o.steps_per_epoch / o.step_size_epochs;
  return o.base_lr * std::pow(o.gamma, static_cast<double>(drops));
}

double multistep(const ScheduleOptions& o, std::int64_t step) {
  const std::int64_t now = o.milestones_in_iterations ? step : step / o.steps_per_epoch;
  const auto drops =
      std::ranges::count_if(o.milestones, [now](std::int64_t m) { return m <= now; });
  return o.base_lr * std::pow(o.gamma, static_cast<double>(drops));
}

double cosine(const ScheduleOptions& o, std::int64_t step) {
  const std::int64_t begin = warmup_steps(o);
  if (step <= begin) return o.base_lr;
  return cosine_between(
      o.base_lr, o.min_lr,
      static_cast<double>(step - begin) / static_cast<double>(o.total_steps - begin));
}

// From `first` at step 0 to `top` and on to `last` at the last step.
double cycle(const ScheduleOptions& o, std::int64_t step, double first, double top, double last) {
  const auto t = static_cast<double>(step), total = static_cast<double>(o.total_steps);
  const double turn = o.rise_share * total - 1;  // negative when no step goes up
  return t < turn ? cosine_between(first, top, t / turn)
                  : cosine_between(top, last, (t - turn) / (total - 1 - turn));
}

double onecycle(const ScheduleOptions& o, std::int64_t step) {
  return cycle(o, step, o.base_lr * o.start_factor, o.base_lr, o.base_lr * o.end_factor);
}

double triangular(const ScheduleOptions& o, std::int64_t step) {
  const auto t = static_cast<double>(step), total = static_cast<double>(o.total_steps);
  const double turn = o.rise_share * total;
  return o.base_lr * (t < turn ? std::lerp(o.start_factor, 1.0, t / turn)
                               : std::lerp(1.0, o.end_factor, (t - turn) / (total - turn)));
}

struct Schedule {
  std::string_view name;
  double (*lr)(const ScheduleOptions&, std::int64_t step);
};

constexpr std::array<Schedule, 6> kSchedules = {{{"constant", constant},
                                                 {"step", step_decay},
                                                 {"multistep", multistep},
                                                 {"cosine", cosine},
                                                 {"onecycle", onecycle},
                                                 {"triangular", triangular}}};

double warmup(const ScheduleOptions& o, std::int64_t step) {
  const std::int64_t steps = warmup_steps(o);
  if (step >= steps) return 1;
  if (o.warmup_method == "constant") return o.warmup_factor;
  return o.warmup_factor +
         (1 - o.warmup_factor) * static_cast<double>(step) / static_cast<double>(steps);
}

void check_warmup(const ScheduleOptions& o) {
  require<ValueError>(std::isfinite(o.warmup_epochs) && o.warmup_epochs >= 0,
                      "schedule: warmup_epochs: expected a finite number of at least 0, got {}",
                      o.warmup_epochs);
  require<ValueError>(
      o.warmup_epochs == 0 || (o.name != "onecycle" && o.name != "triangular"),
      "schedule: warmup_epochs: expected 0 with {}, which has a warm-up of its own, "
      "got {}",
      o.name, o.warmup_epochs);
  require<ValueError>(
      o.warmup_epochs * static_cast<double>(o.steps_per_epoch) < 0x1p53,
      "schedule: warmup_epochs: expected fewer than 2^53 updates of warm-up, got {} epochs of {}",
      o.warmup_epochs, o.steps_per_epoch);
  require<ValueError>(o.warmup_method == "linear" || o.warmup_method == "constant",
                      "schedule: warmup_method: expected linear or constant, got {}",
                      o.warmup_method);
  require<ValueError>(o.warmup_factor >= 0 && o.warmup_factor <= 1,
                      "schedule: warmup_factor: expected a number in [0, 1], got {}",
                      o.warmup_factor);
}

void check_drops(const ScheduleOptions& o) {
  require<ValueError>(std::isfinite(o.gamma) && o.gamma > 0,
                      "schedule: gamma: expected a finite number above 0, got {}", o.gamma);
  require<ValueError>(o.step_size_epochs >= 1,
                      "schedule: step_size_epochs: expected at least 1, got {}",
                      o.step_size_epochs);
  const bool ascending =
      std::ranges::adjacent_find(o.milestones, std::greater_equal<>()) == o.milestones.end();
  require<ValueError>(ascending && (o.milestones.empty() || o.milestones.front() >= 0),
                      "schedule: milestones: expected ascending numbers of at least 0, got {}",
                      o.milestones);
}

void check_curves(const ScheduleOptions& o) {
  require<ValueError>(o.min_lr >= 0 && o.min_lr <= o.base_lr,
                      "schedule: min_lr: expected a number in [0, base_lr = {}], got {}", o.base_lr,
                      o.min_lr);
  require<ValueError>(o.rise_share >= 0 && o.rise_share < 1,
                      "schedule: rise_share: expected a number in [0, 1), got {}", o.rise_share);
  require<ValueError>(std::isfinite(o.start_factor) && o.start_factor >= 0,
                      "schedule: start_factor: expected a finite number of at least 0, got {}",
                      o.start_factor);
  require<ValueError>(std::isfinite(o.end_factor) && o.end_factor >= 0,
                      "schedule: end_factor: expected a finite number of at least 0, got {}",
                      o.end_factor);
  const double down = o.base_momentum - o.momentum_cycle, up = o.base_momentum + o.momentum_cycle;
  require<ValueError>(
      o.name != "onecycle" || o.momentum_cycle == 0 || (o.momentum_cycle > 0 && down > 0 && up < 1),
      "schedule: momentum_cycle: expected base_momentum +- momentum_cycle in "
      "(0, 1), got {} +- {}",
      o.base_momentum, o.momentum_cycle);
}

const Schedule& find_schedule(const std::string& name) {
  const auto found = std::ranges::find(kSchedules, name, &Schedule::name);
  if (found != kSchedules.end()) return *found;
  throw ValueError(fmt::format("schedule: name: expected one of {}, got {}",
                               fmt::join(schedule_names(), ", "), name));
}

}  // namespace

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const Schedule& s : kSchedules) names.emplace_back(s.name);
  return names;
}

std::vector<std::string> warmup_method_names() {
  return {"linear", "constant"};
}

void validate(const ScheduleOptions& o) {
  find_schedule(o.name);
  require<ValueError>(std::isfinite(o.base_lr) && o.base_lr >= 0,
                      "schedule: base_lr: expected a finite number of at least 0, got {}",
                      o.base_lr);
  require<ValueError>(o.total_steps >= 1, "schedule: total_steps: expected at least 1, got {}",
                      o.total_steps);
  require<ValueError>(o.steps_per_epoch >= 1,
                      "schedule: steps_per_epoch: expected at least 1, got {}", o.steps_per_epoch);
  check_drops(o);
  check_warmup(o);
  check_curves(o);
}

double learning_rate(const ScheduleOptions& o, std::int64_t step) {
  validate(o);
  require<ValueError>(step >= 0, "schedule: step: expected at least 0, got {}", step);
  const std::int64_t t = std::min(step, o.total_steps - 1);
  return warmup(o, t) * find_schedule(o.name).lr(o, t);
}

double momentum(const ScheduleOptions& o, std::int64_t step) {
  validate(o);
  require<ValueError>(step >= 0, "schedule: step: expected at least 0, got {}", step);
  if (o.name != "onecycle") return o.base_momentum;
  const double high = o.base_momentum + o.momentum_cycle, low = o.base_momentum - o.momentum_cycle;
  return cycle(o, std::min(step, o.total_steps - 1), high, low, high);
}

}  // namespace resgrad
