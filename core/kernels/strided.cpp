#include "core/kernels/strided.h"

#include <algorithm>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/kernels/threads.h"

namespace resgrad::kernels {
namespace {

// Of a row, a thread takes so many elements at a time.
constexpr std::int64_t kColumns = 8192;

constexpr std::size_t kLine = 64;  // bytes that the caches and memory pass at once

// A copy past the caches, which does not bring in what is overwritten: whole lines of y.
template <class T>
void stream_row(T* y, const T* x, std::int64_t n) {
#if defined(__SSE2__)
  constexpr std::int64_t kVector = sizeof(__m128i) / sizeof(T);
  for (std::int64_t i = 0; i < n; i += kVector) {
    _mm_stream_si128(reinterpret_cast<__m128i*>(y + i),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i)));
  }
#else
  std::copy_n(x, n, y);
#endif
}

// Whether y has rows of whole lines, and is so large that it leaves the caches before it is read.
template <class T>
bool worth_streaming(const T* y, const StridedAxis* axes, std::int64_t count, std::int64_t rows) {
  constexpr std::size_t kLarge = 16 << 20;
  const auto bytes = [](std::int64_t values) {
    return static_cast<std::size_t>(values) * sizeof(T);
  };
  const StridedAxis& columns = axes[count - 1];
  if (columns.a != 1 || columns.b != 1 || bytes(rows * columns.size) < kLarge) return false;
  std::size_t steps = reinterpret_cast<std::uintptr_t>(y) | bytes(columns.size);
  for (std::int64_t axis = 0; axis < count - 1; ++axis) steps |= bytes(axes[axis].a);
  return steps % kLine == 0;
}

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
  const bool stream = worth_streaming(y, axes, count, rows);
#pragma omp parallel num_threads(threads_for(rows* columns.size))
  {
#pragma omp for schedule(static) nowait
    for (std::int64_t item = 0; item < rows * blocks; ++item) {
      const std::int64_t begin = item % blocks * kColumns;
      std::int64_t to = begin * columns.a, from = begin * columns.b, rest = item / blocks;
      for (std::int64_t axis = count - 2; axis >= 0; rest /= axes[axis].size, --axis) {
        const std::int64_t i = rest % axes[axis].size;
        to += i * axes[axis].a;
        from += i * axes[axis].b;
      }
      const std::int64_t n = std::min(kColumns, columns.size - begin);
      if (stream) {
        stream_row(y + to, x + from, n);
      } else {
        copy_row(y + to, columns.a, x + from, columns.b, n);
      }
    }
#if defined(__SSE2__)
    if (stream) _mm_sfence();  // before other threads read
#endif
  }
}
template void copy_strided(float*, const float*, const StridedAxis*, std::int64_t);
template void copy_strided(double*, const double*, const StridedAxis*, std::int64_t);
template void copy_strided(std::int64_t*, const std::int64_t*, const StridedAxis*, std::int64_t);

}  // namespace resgrad::kernels
