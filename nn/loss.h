#pragma once

#include "core/ops/cross_entropy.h"

namespace resgrad {

/// Mean cross entropy between softmax(logits) and (smoothed) labels: see core/ops/cross_entropy.h.
class CrossEntropyLoss {
 public:
  explicit CrossEntropyLoss(double label_smoothing = 0) : label_smoothing_(label_smoothing) {}
  Tensor operator()(const Tensor& logits, const Tensor& labels) const {
    return cross_entropy(logits, labels, label_smoothing_);
  }

 private:
  double label_smoothing_;
};

}  // namespace resgrad
