#include "core/kernels/shortcut.h"

#include <algorithm>

#include "core/kernels/threads.h"

namespace resgrad::kernels {

template <class T>
void pad_shortcut(T* y, const T* x, const PadShortcutDims& d) {
  const std::int64_t lines = d.n * d.h_out();
#pragma omp parallel for schedule(static) num_threads(threads_for(lines* d.w_out() * d.c_out()))
  for (std::int64_t line = 0; line < lines; ++line) {
    const std::int64_t n = line / d.h_out(), h = line % d.h_out() * d.stride_h;
    const T* from = x + (n * d.h + h) * d.w * d.c;
    T* to = y + line * d.w_out() * d.c_out();
    for (std::int64_t j = 0; j < d.w_out(); ++j, from += d.stride_w * d.c) {
      to = std::fill_n(to, d.before, T{0});
      to = std::copy_n(from, d.c, to);
      to = std::fill_n(to, d.after, T{0});
    }
  }
}

template <class T>
void pad_shortcut_backward(T* dx, const T* dy, const PadShortcutDims& d) {
  const std::int64_t lines = d.n * d.h, row = d.w * d.c;
#pragma omp parallel for schedule(static) num_threads(threads_for(lines* row))
  for (std::int64_t line = 0; line < lines; ++line) {
    const std::int64_t n = line / d.h, h = line % d.h;
    T* to = dx + line * row;
    std::fill_n(to, row, T{0});
    if (h % d.stride_h != 0) continue;
    const T* from = dy + (n * d.h_out() + h / d.stride_h) * d.w_out() * d.c_out() + d.before;
    for (std::int64_t j = 0; j < d.w_out(); ++j, from += d.c_out(), to += d.stride_w * d.c) {
      std::copy_n(from, d.c, to);
    }
  }
}

template void pad_shortcut(float*, const float*, const PadShortcutDims&);
template void pad_shortcut(double*, const double*, const PadShortcutDims&);
template void pad_shortcut_backward(float*, const float*, const PadShortcutDims&);
template void pad_shortcut_backward(double*, const double*, const PadShortcutDims&);

}  // namespace resgrad::kernels
