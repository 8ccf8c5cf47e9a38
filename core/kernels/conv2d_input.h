// What a convolution reads: an activation, or one that is normalised while it is loaded.
#pragma once

namespace resgrad::kernels {

/// x in channels_last. With `scale` and `shift`, one of each per channel, the convolution sees
/// relu(scale[c] * x + shift[c]) in its place: what a batch norm and a ReLU would have written. The
/// zeros of the padding stay zero.
template <class T>
struct Conv2dInput {
  const T* x;
  const T* scale = nullptr;
  const T* shift = nullptr;
};

}  // namespace resgrad::kernels
