// Elementwise kernels on operands that are repeated along axes, or lie in another order than the
// result.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

/// One axis of an elementwise operation: its size, and how far apart two neighbours along it lie in
/// each operand, in elements; 0 where the operand is repeated.
struct BroadcastAxis {
  std::int64_t size, a, b;
};

/// y = a op b, where y is dense in the order of the axes, the last one innermost. At least two
/// axes.
template <class T>
struct ArithmeticKernels {
  using Kernel = void (*)(T* y, const T* a, const T* b, const BroadcastAxis* axes,
                          std::int64_t count);
  Kernel add, sub, mul, div;
};

template <class T>
const ArithmeticKernels<T>& arithmetic();

}  // namespace resgrad::kernels
