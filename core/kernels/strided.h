// Copies between places of tensors that lie apart.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

/// One axis of a copy: its size, and how far apart neighbours along it lie on either side, in
/// elements; 0 in x where a value is repeated.
struct StridedAxis {
  std::int64_t size, y, x;
};

/// y[i0 * axes[0].y + i1 * axes[1].y + ...] = x[i0 * axes[0].x + ...] for all places, whose last
/// axis is the innermost. At least one axis; T is float, double or int64_t.
template <class T>
void copy_strided(T* y, const T* x, const StridedAxis* axes, std::int64_t count);

}  // namespace resgrad::kernels
