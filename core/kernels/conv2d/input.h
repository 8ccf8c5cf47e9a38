// What a convolution reads: an activation, or one that is normalised while it is loaded.
#pragma once

#include "core/kernels/normalisation.h"

namespace resgrad::kernels {

/// x in channels_last. With a normalisation, the convolution sees relu((x - mean) * scale + shift)
/// in its place: what a batch norm and a ReLU would have written. The zeros of the padding stay
/// zero.
template <class T>
struct Conv2dInput {
  const T* x;
  Normalisation<T> norm = {};
};

}  // namespace resgrad::kernels
