#pragma once

#include "core/random.h"
#include "core/tensor.h"

namespace resgrad {

/// Sets each element to 0 with probability p and scales the others by 1 / (1 - p):
///   y = x * mask, mask in {0, 1 / (1 - p)}
/// Element i, in the order of memory, takes word i of `random` from its next block on, and is 0
/// when word * 2^-32 < p.
/// Grad    dx = dy * mask.  Saves the mask.
/// Throws  ValueError unless 0 <= p < 1, for int64, and for more than 2^30 - 4 elements, the words
///         of a whole sequence.
/// Source  Srivastava et al. 2014, "Dropout".
/// Differs  scales in training ("inverted dropout"), as every framework does.
Tensor dropout(const Tensor& x, double p, Random& random);

}  // namespace resgrad
