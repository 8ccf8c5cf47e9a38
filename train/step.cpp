#include "train/step.h"

#include <cmath>

#include "train/evaluate.h"
#include "train/nonfinite.h"
#include "train/optim/clip.h"

namespace resgrad {

TrainStep::TrainStep(Module& net, Optimizer& optimizer, TrainStepOptions options)
    : net_(net),
      optimizer_(optimizer),
      options_(std::move(options)),
      loss_(options_.label_smoothing),
      parameters_(net.named_parameters()) {
  require<ValueError>(std::isfinite(options_.clip_grad_norm) && options_.clip_grad_norm >= 0,
                      "train: clip_grad_norm: expected a finite number of at least 0, got {}",
                      options_.clip_grad_norm);
}

StepValues TrainStep::operator()(const data::Batch& batch) {
  return (*this)(1, [&batch] { return batch; });
}

StepValues TrainStep::operator()(std::int64_t batches, const std::function<data::Batch()>& next) {
  require<ValueError>(batches >= 1, "train: batches of an update: expected at least 1, got {}",
                      batches);
  std::optional<SavedBuffers> buffers;  // a forward pass puts bad values into running statistics
  if (options_.on_nonfinite == OnNonfinite::skip) buffers.emplace(net_);
  optimizer_.zero_grad();
  options_.mark("zero_grad");
  StepValues values;
  double hits = 0;
  for (std::int64_t i = 0; i < batches; ++i) {
    const data::Batch batch = next();
    if (values.skipped) continue;
    const double share = 1 / static_cast<double>(batches);
    const BatchValues of_batch = add_gradients(batch, share);
    values.images += batch.images.dim(0);
    values.loss += share * of_batch.loss;
    hits += of_batch.hits;
    const bool finite = std::isfinite(of_batch.loss) && gradients_are_finite(parameters_);
    options_.mark("check for NaN and infinity");
    if (finite) continue;
    values.skipped = describe_nonfinite(net_, batch.images, of_batch.loss);
    if (buffers) continue;
    throw NonfiniteError(
        fmt::format("train: step {}: expected finite loss and gradients, got loss {}: {}",
                    steps_ + 1, of_batch.loss, *values.skipped),
        batch);
  }
  values.top1 = 100 * hits / static_cast<double>(values.images);
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

// Forward and backward: adds `share` of the gradients of the mean loss over the batch.
TrainStep::BatchValues TrainStep::add_gradients(const data::Batch& batch, double share) {
  const Tensor logits = net_(batch.images);
  const bool mixed = batch.second_labels.defined();
  const Tensor loss = mixed ? loss_(logits, batch.labels, batch.second_labels, batch.share)
                            : loss_(logits, batch.labels);
  const auto hits = [&logits](const Tensor& labels) {
    return static_cast<double>(count_hits(logits.detach(), labels, 1));
  };
  BatchValues values{loss.item(), batch.share * hits(batch.labels)};
  if (mixed) values.hits += (1 - batch.share) * hits(batch.second_labels);
  if (std::isfinite(values.loss)) loss.backward(Tensor::scalar(share, loss.dtype()));
  return values;
}

}  // namespace resgrad
