#include "train/log/recorders.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/atomic_file.h"
#include "core/check.h"
#include "train/log/logging.h"
#include "train/optim/clip.h"

namespace resgrad {
namespace {

constexpr std::int64_t kTracedSteps = 10;

// Euclidean norms of every parameter and its gradient, and of all together.
void add_norms(std::vector<Scalar>& scalars, const Module& net) {
  double weights = 0, gradients = 0;
  for (const auto& [name, tensor] : net.named_parameters()) {
    const double weight = squared_norm(tensor);
    weights += weight;
    scalars.push_back({"weight_norm/" + name, std::sqrt(weight)});
    if (!tensor.grad().defined()) continue;
    const double gradient = squared_norm(tensor.grad());
    gradients += gradient;
    scalars.push_back({"grad_norm/" + name, std::sqrt(gradient)});
  }
  scalars.push_back({"weight_norm/total", std::sqrt(weights)});
  scalars.push_back({"grad_norm/total", std::sqrt(gradients)});
}

// From which on events of earlier files count no more; 0 where there are none.
std::int64_t first_step(std::optional<std::int64_t> last_step, bool drop_evaluation) {
  if (!last_step) return 0;
  return *last_step + (drop_evaluation && *last_step > 0 ? 0 : 1);
}

}  // namespace

double seconds_left(const RunLength& length, std::int64_t epoch, std::int64_t step, double per_step,
                    double per_evaluation) {
  const std::int64_t epochs_reached =
      (length.total_steps + length.steps_per_epoch - 1) / length.steps_per_epoch;
  const std::int64_t evaluations = epochs_reached / length.eval_every -
                                   (epoch - 1) / length.eval_every +
                                   (epochs_reached % length.eval_every != 0 ? 1 : 0);
  return per_step * static_cast<double>(length.total_steps - step) +
         per_evaluation * static_cast<double>(evaluations);
}

Recorders::Recorders(RecorderOptions options, RunLength length,
                     std::optional<std::int64_t> last_step, bool drop_evaluation)
    : o_(std::move(options)),
      length_(length),
      progress_(stdout, {.print_freq = o_.print_freq, .quiet = o_.quiet}),
      log_(make_run_logger(o_.folder, o_.quiet, [this] { progress_.erase(); })),
      jsonl_(o_.folder / "metrics.jsonl", last_step.value_or(0)),
      events_(o_.folder, first_step(last_step, drop_evaluation)),
      traced_(last_step.value_or(0) > 0) {
  if (const auto& dropped = jsonl_.file.unreadable(); dropped.count > 0) {
    log_->warn("{}: dropped {} lines that are no JSON objects with a step, the first is line {}",
               (o_.folder / "metrics.jsonl").string(), dropped.count, dropped.first);
  }
}

void Recorders::begin_epoch() {
  epoch_ = interval_ = {.start = Clock::now()};
  if (o_.profile) profile_.emplace(traced_ ? 0 : kTracedSteps);
}

void Recorders::step(const StepResult& result, const Module& net) {
  for (Interval* interval : {&epoch_, &interval_}) {
    interval->images += result.images;
    ++interval->steps;
  }
  show(result);
  if (result.epoch_step % o_.print_freq == 0 || result.epoch_step == length_.steps_per_epoch ||
      result.step == length_.total_steps) {
    record(result, net);
  }
  if (!profile_) return;
  profile_->mark("accuracy, records, progress");
  profile_->end_step();
}

void Recorders::record(const StepResult& result, const Module& net) {
  const double seconds = interval_.seconds();
  const double waited = result.wait_seconds - interval_.wait_seconds;
  const StepMetrics metrics{.step = result.step,
                            .epoch = result.epoch,
                            .loss = result.loss,
                            .top1 = result.top1,
                            .lr = result.lr,
                            .images_per_s = static_cast<double>(interval_.images) / seconds,
                            .data_wait = std::clamp(waited / seconds, 0., 1.),
                            .grad_norm = result.grad_norm};
  interval_ = {.start = Clock::now(), .wait_seconds = result.wait_seconds};
  attempt(jsonl_.failed, [&] { jsonl_.file.append(metrics); });
  attempt(events_.failed, [&] {
    std::vector<Scalar> scalars{{"train/loss", metrics.loss},
                                {"train/top1", metrics.top1},
                                {"train/lr", metrics.lr},
                                {"train/images_per_s", metrics.images_per_s},
                                {"train/data_wait", metrics.data_wait}};
    if (metrics.grad_norm) scalars.push_back({"train/grad_norm", *metrics.grad_norm});
    if (o_.log_norms) add_norms(scalars, net);
    events_.file.append(metrics.step, scalars);
  });
}

void Recorders::show(const StepResult& result) {
  const double seconds = epoch_.seconds();
  progress_.update({.epoch = result.epoch,
                    .epochs = length_.epochs,
                    .step = result.epoch_step,
                    .steps = length_.steps_per_epoch,
                    .loss = result.epoch_loss,
                    .top1 = result.epoch_top1,
                    .lr = result.lr,
                    .images_per_s = static_cast<double>(epoch_.images) / seconds,
                    .wait_share = std::clamp(result.wait_seconds / seconds, 0., 1.),
                    .seconds_left = seconds_left(length_, result.epoch, result.step,
                                                 seconds / static_cast<double>(epoch_.steps),
                                                 evaluation_seconds_)});
}

void Recorders::end_training() {
  training_seconds_ = epoch_.seconds();
  progress_.finish();
  if (profile_) write_profile();
}

void Recorders::write_profile() {
  if (profile_->steps() > 0) {
    log_->info("where the time of {} steps went\n{}", profile_->steps(), profile_->table());
  }
  if (!traced_) {
    const std::string trace = profile_->trace();
    attempt(trace_failed_, [&] {
      write_file_atomically(o_.folder / "profile.json", trace);
      log_->info("trace of the first {} steps, for ui.perfetto.dev or chrome://tracing: {}",
                 std::min(kTracedSteps, profile_->steps()), (o_.folder / "profile.json").string());
    });
    traced_ = true;
  }
  profile_.reset();
}

void Recorders::epoch(const EpochMetrics& metrics) {
  if (!std::isnan(metrics.test_top1)) {
    evaluation_seconds_ = std::max(0., epoch_.seconds() - training_seconds_);
  }
  std::vector<Scalar> scalars;
  for (const auto& [tag, value] : {std::pair{"epoch/lr", metrics.lr},
                                   {"epoch/train_loss", metrics.train_loss},
                                   {"epoch/train_top1", metrics.train_top1},
                                   {"epoch/test_loss", metrics.test_loss},
                                   {"epoch/test_top1", metrics.test_top1},
                                   {"epoch/ema_test_loss", metrics.ema_test_loss},
                                   {"epoch/ema_test_top1", metrics.ema_test_top1},
                                   {"epoch/images_per_s", metrics.images_per_s}}) {
    if (!std::isnan(value)) scalars.push_back({tag, value});
  }
  attempt(events_.failed, [&] { events_.file.append(metrics.step, scalars); });
}

void Recorders::attempt(bool& failed, const std::function<void()>& f) {
  try {
    f();
    failed = false;
  } catch (const IoError& error) {
    if (!failed) log_->warn("{}; training goes on", error.what());
    failed = true;
  }
}

}  // namespace resgrad
