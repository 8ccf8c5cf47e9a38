// Evaluation: loss, accuracies and the confusion matrix over a data set.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "data/loader.h"
#include "nn/module.h"
#include "train/dist/communicator.h"
#include "train/inference.h"

namespace resgrad {

/// How many of the rows of `logits` [n, classes] rank their label among the k largest. Among equal
/// logits the lower class ranks first; NaN counts as larger than anything, as a label it is a miss.
std::int64_t count_hits(const Tensor& logits, const Tensor& labels, std::int64_t k);

struct Evaluation {
  std::int64_t samples = 0;
  double loss = 0;  ///< mean cross entropy, without label smoothing
  double top1 = 0;  ///< percent
  double top5 = 0;  ///< percent
  int classes = 0;
  /// confusion[label * classes + predicted]: samples
  std::vector<std::int64_t> confusion;
  /// The stop token ended it early: the figures cover what was seen.
  bool interrupted = false;
  double seconds = 0;  ///< spent
  /// Where the values of the first batch with a NaN or infinite loss stop being finite, as
  /// describe_nonfinite() says; empty when all are finite.
  std::string nonfinite;
};

/// What was said of one image.
struct Prediction {
  std::int64_t index = 0;  ///< in the data set that was evaluated
  std::int64_t label = 0, predicted = 0;
  double probability = 0;  ///< of `predicted`: the largest of the softmax
  double loss = 0;         ///< cross entropy, -log of the probability of `label`
};

struct EvaluateOptions {
  std::int64_t limit_batches = 0;  ///< 0: all
  Tta tta = Tta::none;
  std::stop_token stop = {};
  /// Share the batches out: rank r of R takes batches r, r + R, ..., which its loader gives it
  /// (data::LoaderOptions::turns). All have the result of all, in the order of the batches.
  Communicator& ranks = Communicator::alone();
  /// Called after each batch with how many are done and how many there are.
  std::function<void(std::int64_t, std::int64_t)> progress = [](std::int64_t, std::int64_t) {};
  /// Called for each image of this rank, if it is there.
  std::function<void(const Prediction&)> prediction = {};
};

/// Runs `net` in evaluation mode, prepared for inference (nn/inference.h), over one epoch of
/// `loader`, at most options.limit_batches, until a stop is requested. Every module of `net` is
/// back in its own mode afterwards.
Evaluation evaluate(Module& net, data::Loader& loader, int classes,
                    const EvaluateOptions& options = {});

}  // namespace resgrad
