#include "core/kernels/layout.h"

#include <algorithm>

#include "core/kernels/threads.h"

namespace resgrad::kernels {

template <class T>
void transpose_planes(T* y, const T* x, std::int64_t n, std::int64_t a, std::int64_t b) {
  constexpr std::int64_t kTile = 16;  // a tile of both sides stays in L1
#pragma omp parallel for schedule(static) num_threads(threads_for(n* a* b))
  for (std::int64_t image = 0; image < n; ++image) {
    const T* from = x + image * a * b;
    T* to = y + image * a * b;
    for (std::int64_t i0 = 0; i0 < a; i0 += kTile) {
      const std::int64_t i1 = std::min(i0 + kTile, a);
      for (std::int64_t j = 0; j < b; ++j) {
        for (std::int64_t i = i0; i < i1; ++i) to[j * a + i] = from[i * b + j];
      }
    }
  }
}
template void transpose_planes(float*, const float*, std::int64_t, std::int64_t, std::int64_t);
template void transpose_planes(double*, const double*, std::int64_t, std::int64_t, std::int64_t);
template void transpose_planes(std::int64_t*, const std::int64_t*, std::int64_t, std::int64_t,
                               std::int64_t);

}  // namespace resgrad::kernels
