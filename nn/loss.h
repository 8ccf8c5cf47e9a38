#pragma once

#include "core/ops/arithmetic.h"
#include "core/ops/cross_entropy.h"

namespace resgrad {

/// Mean cross entropy between softmax(logits) and (smoothed) labels: see core/ops/cross_entropy.h.
class CrossEntropyLoss {
 public:
  explicit CrossEntropyLoss(double label_smoothing = 0) : label_smoothing_(label_smoothing) {}
  Tensor operator()(const Tensor& logits, const Tensor& labels) const {
    return cross_entropy(logits, labels, label_smoothing_);
  }

  /// Of mixed images, with two labels each and the share of the first:
  ///   share * loss(labels) + (1 - share) * loss(second_labels)
  /// Source  Zhang et al. 2018, arXiv:1710.09412: the loss is linear in the target, so this is the
  ///         cross entropy to the mixed target of equation 1.
  Tensor operator()(const Tensor& logits, const Tensor& labels, const Tensor& second_labels,
                    double share) const {
    return share * (*this)(logits, labels) + (1 - share) * (*this)(logits, second_labels);
  }

 private:
  double label_smoothing_;
};

}  // namespace resgrad
