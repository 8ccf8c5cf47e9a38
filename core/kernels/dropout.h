// Dropout: the mask and the result in one pass.
#pragma once

#include <cstdint>

#include "core/kernels/philox.h"

namespace resgrad::kernels {

template <class T>
struct DropoutKernels {
  /// For each block b < blocks of Philox, whose counter is `counter` with b added to the first
  /// word, two values: mask[2 b + i] = u_i < p ? 0 : keep, with its two uniform numbers of [0, 1).
  /// y = x * mask.
  void (*apply)(T* y, T* mask, const T* x, std::int64_t blocks, PhiloxWords counter, PhiloxKey key,
                double p, T keep);
};

template <class T>
const DropoutKernels<T>& dropout();

}  // namespace resgrad::kernels
