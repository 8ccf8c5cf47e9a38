// Log-softmax and the cross-entropy loss.
#pragma once

#include "core/tensor.h"

namespace resgrad {

/// y = x - log(sum(exp(x))) along the last axis, computed stably.
/// Shapes  x [n, c]; returns [n, c].
/// Grad    dx = dy - exp(y) * sum(dy).  Saves y.
/// Throws  ShapeError unless rank 2 with c >= 1; ValueError for int64.
Tensor log_softmax(const Tensor& x);

/// Mean over the batch of the cross entropy between softmax(logits) and the smoothed labels
///   t = (1 - label_smoothing) * onehot(label) + label_smoothing / c.
/// Shapes  logits [n, c], n >= 1; labels int64 [n] in [0, c); returns rank 0.
/// Grad    dlogits = (softmax(logits) - t) / n; labels get none.  Saves log_softmax(logits),
///         labels.
/// Throws  ShapeError when shapes do not fit; ValueError for a label out of range, a wrong dtype or
///         label_smoothing outside [0, 1].
/// Source  label smoothing: Szegedy et al. 2016, arXiv:1512.00567, section 7.
/// Differs  none.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double label_smoothing = 0);

}  // namespace resgrad
