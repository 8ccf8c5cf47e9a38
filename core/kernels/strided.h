// Axes along which tensors are passed whose elements lie apart, and copies between such tensors.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

/// An axis along which two tensors a and b are passed together: its size, and how far apart two
/// neighbours along it lie in each, in elements; 0 where a value is repeated.
struct StridedAxis {
  std::int64_t size, a, b;
};

/// y[i0 * axes[0].a + i1 * axes[1].a + ...] = x[i0 * axes[0].b + ...] for all places, whose last
/// axis is the innermost; y repeats none. At least one axis; T is float, double or int64_t.
template <class T>
void copy_strided(T* y, const T* x, const StridedAxis* axes, std::int64_t count);

}  // namespace resgrad::kernels
