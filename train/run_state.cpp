#include "train/run_state.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "train/early_stopping.h"
#include "train/make_optimizer.h"
#include "train/run_data.h"
#include "train/run_record.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;

TrainStepOptions step_options(const RunOptions& o, Ema* ema,
                              std::function<void(std::string_view)> mark, Communicator& ranks) {
  require<ValueError>(o.on_nonfinite == "stop" || o.on_nonfinite == "skip",
                      "train: on_nonfinite: expected stop or skip, got {}", o.on_nonfinite);
  return {.label_smoothing = o.label_smoothing,
          .clip_grad_norm = o.clip_grad_norm,
          .on_nonfinite = o.on_nonfinite == "skip" ? OnNonfinite::skip : OnNonfinite::stop,
          .ema = ema,
          .shards = shards_per_update(o),
          .ranks = ranks,
          .sync_batch_norm = o.bn == "sync",
          .mark = std::move(mark)};
}

std::string in_brackets(const std::vector<std::string>& classes) {
  return classes.empty() ? "" : fmt::format(" ({})", fmt::join(classes, ", "));
}

// Takes the times of finished epochs, which checkpoints leave out, from an earlier metrics.csv.
// Returns what was wrong with the file, if it is there.
std::string add_times(std::vector<EpochMetrics>& epochs, const fs::path& csv) {
  std::error_code ignored;
  if (!fs::exists(csv, ignored)) return "";
  try {
    for (const EpochMetrics& row : read_metrics_csv(csv)) {
      for (EpochMetrics& epoch : epochs) {
        if (epoch.epoch != row.epoch || epoch.step != row.step) continue;
        epoch.images_per_s = row.images_per_s;
        epoch.seconds = row.seconds;
      }
    }
  } catch (const IoError& error) {  // unknown times are empty cells
    return error.what();
  }
  return "";
}

}  // namespace

std::string machine_description() {
  return fmt::format("kernels {}, convolution {}", name(kernels::active_isa()),
                     kernels::conv2d_engine_setting());
}

RunState::RunState(Module& network, const RunOptions& options, CheckpointInfo info,
                   RunLength length, std::int64_t train_images, std::string data,
                   std::function<void(std::string_view)> mark, Communicator& ranks)
    : net(network),
      optimizer(make_optimizer(net.named_parameters(), options)),
      ema(options.ema_decay != 0 ? std::optional<Ema>(std::in_place, net, options.ema_decay)
                                 : std::nullopt),
      update(net, *optimizer, step_options(options, ema ? &*ema : nullptr, std::move(mark), ranks)),
      options_(options),
      info_(std::move(info)),
      length_(length),
      train_images_(train_images),
      data_(std::move(data)) {}

void RunState::restore(const FoundCheckpoint& found, const ResolveDefaults& resolve) {
  const Checkpoint& c = found.checkpoint;
  std::string problems = differing_settings(c.state->settings, options_, resolve);
  try {
    net.load_state_dict(c.model);
  } catch (const ValueError& error) {
    problems += (problems.empty() ? "" : "; ") + std::string(error.what());
  }
  require<ValueError>(problems.empty(),
                      "resume: {}: expected a checkpoint of this run, got one that differs: {}",
                      found.file.string(), problems);
  require<ValueError>(c.state->train_images == train_images_,
                      "resume: {}: expected the {} training images that it was made with, got {}",
                      found.file.string(), c.state->train_images, train_images_);
  require<ValueError>(
      c.state->data.empty() || (c.state->data == data_ && c.info.class_names == info_.class_names),
      "resume: {}: expected the data that it was made with, {}{}, got {}{}", found.file.string(),
      c.state->data, in_brackets(c.info.class_names), data_, in_brackets(info_.class_names));
  optimizer->load_state(c.optimizer);
  if (ema) ema->load_state(c.ema);
  now = *c.state;
  update.set_steps(c.info.step);
  epoch = (step() - now.epoch_step) / length_.steps_per_epoch;
  lost_times_ = add_times(now.epochs, found.file.parent_path() / "metrics.csv");
  if (step() < length_.total_steps && !now.epochs.empty() && !stays(now.epochs.back())) {
    drop_last_evaluation();
  }
  if (best() == nullptr) {  // it was the one that is gone, or chosen by other weights
    forget_best();
    for (const EpochMetrics& row : now.epochs) {
      if (is_better(row)) set_best(row);
    }
  }
}

void RunState::drop_last_evaluation() {
  dropped_ = true;
  EpochMetrics& last = now.epochs.back();
  if (last.epoch > epoch) {
    now.seconds = static_cast<double>(now.loss.weight()) / last.images_per_s;
    now.epochs.pop_back();
  } else {
    last.test_loss = last.test_top1 = last.ema_test_loss = last.ema_test_top1 = std::nan("");
  }
}

Checkpoint RunState::capture() const {
  Checkpoint checkpoint{
      .info = info_, .model = net.state_dict(), .optimizer = optimizer->state(), .state = now};
  if (ema) checkpoint.ema = ema->state();
  checkpoint.info.epoch = epoch;
  checkpoint.info.step = step();
  TrainState& state = *checkpoint.state;
  for (EpochMetrics& row : state.epochs) row.images_per_s = row.seconds = std::nan("");
  if (finished() && now.epoch_step > 0) state.seconds = std::nan("");  // metrics.csv has them
  state.train_images = train_images_;
  state.data = data_;
  state.settings = result_settings(options_);
  state.machine = machine_description();
  return checkpoint;
}

bool RunState::evaluation_due() const {
  return step() >= length_.total_steps || (epoch + 1) % length_.eval_every == 0;
}

bool RunState::stays(const EpochMetrics& row) const {
  return row.epoch <= epoch && (row.epoch % length_.eval_every == 0 || std::isnan(row.test_top1));
}

bool RunState::stopped_early() const {
  return step() < length_.total_steps && options_.patience > 0 &&
         evaluations_without_gain(now.epochs, options_.min_delta) >= options_.patience;
}

Checkpoint RunState::averaged() const {
  Checkpoint checkpoint{.info = info_, .model = ema->state(), .optimizer = {}};
  checkpoint.info.epoch = epoch;
  checkpoint.info.step = step();
  return checkpoint;
}

bool RunState::lacks_last_evaluation() const {
  return step() >= length_.total_steps && !now.epochs.empty() && now.epochs.back().step == step() &&
         std::isnan(now.epochs.back().test_top1);
}

bool RunState::finished() const {
  const bool has_row = !now.epochs.empty() && now.epochs.back().step == step();
  return has_row && !lacks_last_evaluation() && (step() >= length_.total_steps || stopped_early());
}

bool RunState::add(const EpochMetrics& row) {
  const bool better = is_better(row);
  now.epochs.push_back(row);
  if (better) set_best(row);
  if (now.epoch_step == length_.steps_per_epoch) {
    ++epoch;
    now.epoch_step = 0;
    now.loss.reset();
    now.top1.reset();
    now.seconds = 0;
  }
  return better;
}

void RunState::forget_best() {
  now.best_top1 = -1;
  now.best_step = 0;
}

void RunState::set_best(const EpochMetrics& row) {
  now.best_top1 = decisive_evaluation(row).top1;
  now.best_step = row.step;
}

const EpochMetrics* RunState::best() const {
  const auto found = std::ranges::find_if(now.epochs, [this](const EpochMetrics& row) {
    const EvaluatedWeights evaluated = decisive_evaluation(row);
    return row.step == now.best_step && std::isfinite(evaluated.loss) &&
           evaluated.top1 == now.best_top1;
  });
  return found == now.epochs.end() ? nullptr : &*found;
}

bool RunState::is_better(const EpochMetrics& row) const {
  const EvaluatedWeights evaluated = decisive_evaluation(row);
  return std::isfinite(evaluated.loss) && evaluated.top1 > now.best_top1;
}

}  // namespace resgrad
