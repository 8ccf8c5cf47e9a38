#include "train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/autograd/grad_mode.h"
#include "core/clock.h"
#include "core/ops/cross_entropy.h"
#include "nn/eval_guard.h"
#include "train/nonfinite.h"

namespace resgrad {
namespace {

// Position of `label` when the classes are sorted by falling logit.
std::int64_t rank_of(const std::vector<double>& row, std::int64_t label) {
  const double own = row[static_cast<std::size_t>(label)];
  if (std::isnan(own)) return std::ssize(row);
  std::int64_t rank = 0;
  for (std::int64_t j = 0; j < std::ssize(row); ++j) {
    const double other = row[static_cast<std::size_t>(j)];
    rank += other > own || std::isnan(other) || (other == own && j < label);
  }
  return rank;
}

// log of the sum of exp(v).
double log_sum_exp(const std::vector<double>& row) {
  const double top = std::ranges::max(row);
  double sum = 0;
  for (const double v : row) sum += std::exp(v - top);
  return top + std::log(sum);
}

// Calls f(row, label) for every sample.
template <class F>
void for_each_row(const Tensor& logits, const Tensor& labels, F&& f) {
  const std::vector<double> values = logits.to_vector<double>();
  const auto classes = static_cast<std::ptrdiff_t>(logits.dim(1));
  for (std::int64_t i = 0; i < logits.dim(0); ++i) {
    const auto begin = values.begin() + i * classes;
    f(std::vector<double>(begin, begin + classes), labels.data<std::int64_t>()[i]);
  }
}

void count_batch(std::vector<std::int64_t>& counts, const Tensor& logits, const data::Batch& batch,
                 int classes, const std::function<void(const Prediction&)>& prediction) {
  counts[0] += logits.dim(0);
  counts[2] += count_hits(logits, batch.labels, 5);
  std::size_t in_batch = 0;
  for_each_row(logits, batch.labels, [&](const std::vector<double>& row, std::int64_t label) {
    const auto predicted = std::ranges::max_element(row) - row.begin();
    if (prediction) {
      const double total = log_sum_exp(row);
      prediction({.index = batch.indices[in_batch++],
                  .label = label,
                  .predicted = predicted,
                  .probability = std::exp(std::ranges::max(row) - total),
                  .loss = total - row[static_cast<std::size_t>(label)]});
    }
    ++counts[static_cast<std::size_t>(3 + label * classes + predicted)];
    counts[1] += rank_of(row, label) == 0;
  });
}

}  // namespace

std::int64_t count_hits(const Tensor& logits, const Tensor& labels, std::int64_t k) {
  std::int64_t hits = 0;
  for_each_row(logits, labels, [&](const std::vector<double>& row, std::int64_t label) {
    hits += rank_of(row, label) < k;
  });
  return hits;
}

Evaluation evaluate(Module& net, data::Loader& loader, int classes,
                    const EvaluateOptions& options) {
  const auto start = Clock::now();
  const EvalGuard evaluation(net);
  const NoGradGuard no_grad;
  InferenceNet inference(net);
  Communicator& ranks = options.ranks;
  Evaluation result;
  result.classes = classes;
  const std::int64_t batches = options.limit_batches == 0
                                   ? loader.batches()
                                   : std::min(loader.batches(), options.limit_batches);
  std::vector<double> losses(static_cast<std::size_t>(batches));  // each the sum of its images'
  // images, and those whose label ranks first, or among the first five; then the confusion matrix
  std::vector<std::int64_t> counts(3 + static_cast<std::size_t>(classes) *
                                           static_cast<std::size_t>(classes));
  loader.start_epoch(0);
  for (std::int64_t done = 0; done < batches; done += ranks.size()) {
    if (ranks.any(options.stop.stop_requested())) {
      result.interrupted = true;
      break;
    }
    const std::int64_t number = done + ranks.rank();
    if (number < batches) {
      const data::Batch batch = loader.next().value();
      const Tensor logits = infer(inference, batch.images, options.tta);
      const double loss = cross_entropy(logits, batch.labels).item();
      if (!std::isfinite(loss) && result.nonfinite.empty()) {
        result.nonfinite = describe_nonfinite(net, batch.images, loss);
      }
      losses[static_cast<std::size_t>(number)] = loss * static_cast<double>(logits.dim(0));
      count_batch(counts, logits, batch, classes, options.prediction);
    }
    options.progress(std::min(done + ranks.size(), batches), batches);
  }
  ranks.sum(losses);
  ranks.sum(counts);
  result.samples = counts[0];
  result.confusion.assign(counts.begin() + 3, counts.end());
  const double n = static_cast<double>(std::max<std::int64_t>(1, result.samples));
  const double loss_sum = std::accumulate(losses.begin(), losses.end(), 0.0);
  result.loss = std::isnan(loss_sum) ? std::nan("") : loss_sum / n;  // without a sign of its own
  result.top1 = 100 * static_cast<double>(counts[1]) / n;
  result.top5 = 100 * static_cast<double>(counts[2]) / n;
  const auto bad = std::ranges::find_if_not(losses, [](double x) { return std::isfinite(x); });
  if (bad != losses.end()) {
    const auto owner = static_cast<std::size_t>((bad - losses.begin()) % ranks.size());
    result.nonfinite = ranks.all(result.nonfinite)[owner];
  }
  result.seconds = seconds_since(start);
  return result;
}

}  // namespace resgrad
