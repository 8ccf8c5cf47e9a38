// Reordering between memory formats.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

/// y[n][b][a] = x[n][a][b]: contiguous to channels_last with a = C, b = H * W, and back with
/// a = H * W, b = C. T is float, double or int64_t.
template <class T>
void transpose_planes(T* y, const T* x, std::int64_t n, std::int64_t a, std::int64_t b);

}  // namespace resgrad::kernels
