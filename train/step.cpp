#include "train/step.h"

#include <cmath>

#include "nn/shard_scope.h"
#include "train/evaluate.h"
#include "train/nonfinite.h"
#include "train/optim/clip.h"

namespace resgrad {
namespace {

constexpr std::int64_t kNumbers = 4;  // of a shard: images, loss, hits, whether it was not finite

}  // namespace

TrainStep::TrainStep(Module& net, Optimizer& optimizer, TrainStepOptions options)
    : net_(net),
      optimizer_(optimizer),
      options_(std::move(options)),
      loss_(options_.label_smoothing),
      parameters_(net.named_parameters()),
      sum_(net, options_.shards, kNumbers, options_.ranks),
      norm_sync_(options_.ranks) {
  require<ValueError>(
      !options_.sync_batch_norm || options_.shards == options_.ranks.size(),
      "train: bn: expected local, or sync with a rank for each of the {} shards of an update, "
      "whose batch norms wait for each other, got sync with {}",
      options_.shards, options_.ranks.size());
  require<ValueError>(std::isfinite(options_.clip_grad_norm) && options_.clip_grad_norm >= 0,
                      "train: clip_grad_norm: expected a finite number of at least 0, got {}",
                      options_.clip_grad_norm);
}

StepValues TrainStep::operator()(const data::Batch& batch) {
  return (*this)(batch.images.dim(0), [&batch] { return batch; });
}

StepValues TrainStep::operator()(std::int64_t images, const std::function<data::Batch()>& next) {
  std::optional<SavedBuffers> buffers;  // a forward pass puts bad values into running statistics
  if (options_.on_nonfinite == OnNonfinite::skip) buffers.emplace(net_);
  optimizer_.zero_grad();
  options_.mark("zero_grad");
  std::optional<Nonfinite> bad;
  for (std::int64_t shard = sum_.own().begin; shard < sum_.own().end; ++shard) {
    const data::Batch batch = next();
    const ShardScope scope(static_cast<std::uint32_t>(shard));
    const double n = static_cast<double>(batch.images.dim(0));
    const double share = n / static_cast<double>(images);
    sum_.begin_shard(shard);
    const ShardValues values = [&] {
      std::optional<UpdateSum::Progress> progress;
      if (options_.ranks.size() > 1) progress.emplace(sum_);
      return add_gradients(batch, share);
    }();
    const bool finite = std::isfinite(values.loss) && gradients_are_finite(parameters_);
    options_.mark("check for NaN and infinity");
    if (!finite && !bad) {
      bad = {values.loss, describe_nonfinite(net_, batch.images, values.loss), batch};
    }
    sum_.end_shard(share, {n, share * values.loss, values.hits, finite ? 0. : 1.});
  }
  const std::vector<double> sums = sum_.finish();
  if (options_.shards > 1) options_.mark("sum over shards");
  require<ValueError>(sums[0] == static_cast<double>(images),
                      "train: shards of an update: expected {} images in all, got {}", images,
                      sums[0]);
  StepValues values{.images = images, .loss = sums[1], .top1 = 100 * sums[2] / sums[0]};
  if (sums[3] > 0) values.skipped = agree_on(bad);
  if (options_.clip_grad_norm > 0) {
    values.grad_norm =
        values.skipped ? std::nan("") : clip_grad_norm(parameters_, options_.clip_grad_norm);
  }
  if (values.skipped) {
    buffers->restore();
  } else {
    optimizer_.step();
    if (options_.ema != nullptr) options_.ema->update(steps_);
  }
  ++steps_;
  return values;
}

// What was not finite, in words, the same for all ranks; an error with OnNonfinite::stop.
std::string TrainStep::agree_on(const std::optional<Nonfinite>& bad) const {
  std::string place = options_.ranks.first(bad ? bad->place : "");
  if (options_.on_nonfinite == OnNonfinite::skip) return place;
  const std::string loss = options_.ranks.first(bad ? fmt::format("{}", bad->loss) : "");
  throw NonfiniteError(fmt::format("train: step {}: expected finite loss and gradients, got loss "
                                   "{}: {}",
                                   steps_ + 1, loss, place),
                       bad ? bad->batch : data::Batch());
}

// Forward and backward: adds `share` of the gradients of the mean loss over the batch.
TrainStep::ShardValues TrainStep::add_gradients(const data::Batch& batch, double share) {
  const bool sync = options_.sync_batch_norm && options_.shards > 1;
  const BatchNormSyncScope together(sync ? &norm_sync_ : nullptr);
  const Tensor logits = net_(batch.images);
  const bool mixed = batch.second_labels.defined();
  const Tensor loss = mixed ? loss_(logits, batch.labels, batch.second_labels, batch.share)
                            : loss_(logits, batch.labels);
  const auto hits = [&logits](const Tensor& labels) {
    return static_cast<double>(count_hits(logits.detach(), labels, 1));
  };
  ShardValues values{loss.item(), batch.share * hits(batch.labels)};
  if (mixed) values.hits += (1 - batch.share) * hits(batch.second_labels);
  // other ranks wait for gradients, also for bad ones
  if (std::isfinite(values.loss) || options_.shards > 1) {
    loss.backward(Tensor::scalar(share, loss.dtype()));
  }
  return values;
}

}  // namespace resgrad
