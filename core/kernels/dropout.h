// Dropout: the mask and the result in one pass.
#pragma once

#include <cstdint>

#include "core/kernels/philox.h"

namespace resgrad::kernels {

template <class T>
struct DropoutKernels {
  /// For each element i < n, with word i % 4 of block i / 4 of Philox, whose counter is `counter`
  /// with the number of the block added to the first word:
  ///   mask[i] = word < limit ? 0 : keep,  y[i] = x[i] * mask[i]
  void (*apply)(T* y, T* mask, const T* x, std::int64_t n, PhiloxWords counter, PhiloxKey key,
                std::uint32_t limit, T keep);
};

template <class T>
const DropoutKernels<T>& dropout();

}  // namespace resgrad::kernels
