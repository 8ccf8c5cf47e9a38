// Elementwise kernels on operands that are repeated along axes, or lie in another order than the
// result.
#pragma once

#include <cstdint>

#include "core/kernels/strided.h"

namespace resgrad::kernels {

/// y = a op b, where y is dense in the order of the axes, the last one innermost. At least two
/// axes.
template <class T>
struct ArithmeticKernels {
  using Kernel = void (*)(T* y, const T* a, const T* b, const StridedAxis* axes,
                          std::int64_t count);
  Kernel add, sub, mul, div;
};

template <class T>
const ArithmeticKernels<T>& arithmetic();

}  // namespace resgrad::kernels
