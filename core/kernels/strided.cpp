#include "core/kernels/strided.h"

#include <algorithm>

#include "core/kernels/threads.h"

namespace resgrad::kernels {
namespace {

// Of a row, a thread takes so many elements at a time.
constexpr std::int64_t kColumns = 8192;

template <class T>
void copy_row(T* y, std::int64_t step_y, const T* x, std::int64_t step_x, std::int64_t n) {
  if (step_y == 1 && step_x == 1) {
    std::copy_n(x, n, y);
  } else if (step_y == 1 && step_x == 0) {
    std::fill_n(y, n, *x);
  } else {
    for (std::int64_t i = 0; i < n; ++i) y[i * step_y] = x[i * step_x];
  }
}

}  // namespace

template <class T>
void copy_strided(T* y, const T* x, const StridedAxis* axes, std::int64_t count) {
  const StridedAxis columns = axes[count - 1];
  std::int64_t rows = 1;
  for (std::int64_t axis = 0; axis < count - 1; ++axis) rows *= axes[axis].size;
  const std::int64_t blocks = (columns.size + kColumns - 1) / kColumns;
#pragma omp parallel for schedule(static) num_threads(threads_for(rows* columns.size))
  for (std::int64_t item = 0; item < rows * blocks; ++item) {
    const std::int64_t begin = item % blocks * kColumns;
    std::int64_t to = begin * columns.a, from = begin * columns.b, rest = item / blocks;
    for (std::int64_t axis = count - 2; axis >= 0; rest /= axes[axis].size, --axis) {
      const std::int64_t i = rest % axes[axis].size;
      to += i * axes[axis].a;
      from += i * axes[axis].b;
    }
    copy_row(y + to, columns.a, x + from, columns.b, std::min(kColumns, columns.size - begin));
  }
}
template void copy_strided(float*, const float*, const StridedAxis*, std::int64_t);
template void copy_strided(double*, const double*, const StridedAxis*, std::int64_t);
template void copy_strided(std::int64_t*, const std::int64_t*, const StridedAxis*, std::int64_t);

}  // namespace resgrad::kernels
