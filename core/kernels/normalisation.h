// What a batch norm makes of an activation, per channel.
#pragma once

namespace resgrad::kernels {

/// (x - mean[c]) * scale[c] + shift[c], where scale = weight / sqrt(var + eps) and shift = bias.
/// The difference comes first: products x * scale and mean * scale would round before they cancel,
/// and leave of a channel with a large mean little but what they were rounded by. Null for none.
template <class T>
struct Normalisation {
  const T* mean = nullptr;
  const T* scale = nullptr;
  const T* shift = nullptr;
};

}  // namespace resgrad::kernels
