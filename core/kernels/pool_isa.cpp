#include "core/kernels/pool.h"

#include "core/kernels/range_isa.h"
#include "core/kernels/threads.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

// Values that an average adds up in T before they go to double, and channels it does so for at a
// time.
constexpr std::int64_t kRun = 64;
constexpr std::int64_t kChannels = 128;

// Which positions of a window of size k that starts at `start` lie inside [0, size).
Range inside(std::int64_t start, std::int64_t k, std::int64_t size) {
  return {most(0, -start), least(k, size - start)};
}

// One output position: its first channel in y, and its window's first pixel and the part of the
// window that lies inside of the image.
struct Window {
  std::int64_t out, n, h, w;
  Range kh, kw;
};

// Calls f(window) for the output positions of a line of image n.
template <class F>
RESGRAD_INLINE void for_each_window(std::int64_t n, std::int64_t ho, const Pool2dDims& d,
                                    const F& f) {
  const std::int64_t h = ho * d.stride_h - d.pad_h;
  const Range kh = inside(h, d.k_h, d.h_in);
  for (std::int64_t wo = 0; wo < d.w_out(); ++wo) {
    const std::int64_t w = wo * d.stride_w - d.pad_w;
    f(Window{((n * d.h_out() + ho) * d.w_out() + wo) * d.c, n, h, w, kh, inside(w, d.k_w, d.w_in)});
  }
}

// Calls f(pixel, position) for the pixels of a window: where the pixel's first channel lies in x,
// and its place kh * k_w + kw in the window.
template <class F>
RESGRAD_INLINE void for_each_pixel(const Window& window, const Pool2dDims& d, const F& f) {
  for (std::int64_t i = window.kh.begin; i < window.kh.end; ++i) {
    for (std::int64_t j = window.kw.begin; j < window.kw.end; ++j) {
      f(((window.n * d.h_in + window.h + i) * d.w_in + window.w + j) * d.c, i * d.k_w + j);
    }
  }
}

// Calls f(window) for all output positions; the threads share the lines.
template <class F>
void for_each_window(const Pool2dDims& d, const F& f) {
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t line = 0; line < d.n * d.h_out(); ++line) {
    for_each_window(line / d.h_out(), line % d.h_out(), d, f);
  }
}

// dx = 0, then f(window) for all output positions; the threads share the images, since windows that
// overlap add to the same pixels.
template <class T, class F>
void for_each_window_backward(T* dx, const Pool2dDims& d, const F& f) {
  const std::int64_t image = d.h_in * d.w_in * d.c;
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t n = 0; n < d.n; ++n) {
    for (std::int64_t i = 0; i < image; ++i) dx[n * image + i] = T{0};
    for (std::int64_t ho = 0; ho < d.h_out(); ++ho) for_each_window(n, ho, d, f);
  }
}

template <class T>
void max_forward(T* y, std::int32_t* argmax, const T* x, const Pool2dDims& d) {
  for_each_window(d, [=](const Window& window) {
    T* top = y + window.out;
    std::int32_t* where = argmax + window.out;
    bool first = true;
    for_each_pixel(window, d, [&](std::int64_t pixel, std::int64_t position) {
      const T* in = x + pixel;
      const auto here = static_cast<std::int32_t>(position);
      if (first) {
#pragma omp simd
        for (std::int64_t c = 0; c < d.c; ++c) top[c] = in[c], where[c] = here;
      } else {
        // `|`, not `||`: a branch between the comparisons would keep the loop from vectors
#pragma omp simd
        for (std::int64_t c = 0; c < d.c; ++c) {
          const bool wins = (in[c] > top[c]) | (in[c] != in[c]);
          top[c] = wins ? in[c] : top[c];
          where[c] = wins ? here : where[c];
        }
      }
      first = false;
    });
  });
}

// Every pixel of a window takes the gradient where it was the maximum: to look for its place costs
// less than to compute the place of the maximum for every channel.
template <class T>
void max_backward(T* dx, const T* dy, const std::int32_t* argmax, const Pool2dDims& d) {
  for_each_window_backward(dx, d, [=](const Window& window) {
    const T* g = dy + window.out;
    const std::int32_t* where = argmax + window.out;
    for_each_pixel(window, d, [&](std::int64_t pixel, std::int64_t position) {
      const auto here = static_cast<std::int32_t>(position);
      T* to = dx + pixel;
#pragma omp simd
      for (std::int64_t c = 0; c < d.c; ++c) to[c] += where[c] == here ? g[c] : T{0};
    });
  });
}

// The sums of a window over channels [begin, begin + count).
template <class T>
void sum_window(double* sums, const T* x, std::int64_t begin, std::int64_t count,
                const Window& window, const Pool2dDims& d) {
  T run[kChannels];
  std::int64_t added = 0;
  const auto finish_run = [&] {
#pragma omp simd
    for (std::int64_t c = 0; c < count; ++c) sums[c] += static_cast<double>(run[c]);
    added = 0;
  };
  for (std::int64_t c = 0; c < count; ++c) sums[c] = 0;
  for_each_pixel(window, d, [&](std::int64_t pixel, std::int64_t) {
    const T* in = x + pixel + begin;
    if (added == 0) {
      for (std::int64_t c = 0; c < count; ++c) run[c] = T{0};
    }
#pragma omp simd
    for (std::int64_t c = 0; c < count; ++c) run[c] += in[c];
    if (++added == kRun) finish_run();
  });
  if (added > 0) finish_run();
}

template <class T>
void avg_forward(T* y, const T* x, const Pool2dDims& d) {
  const auto positions = static_cast<double>(d.k_h * d.k_w);
  for_each_window(d, [=](const Window& window) {
    for (std::int64_t begin = 0; begin < d.c; begin += kChannels) {
      const std::int64_t count = least(kChannels, d.c - begin);
      double sums[kChannels];
      sum_window(sums, x, begin, count, window, d);
      T* to = y + window.out + begin;
#pragma omp simd
      for (std::int64_t c = 0; c < count; ++c) to[c] = static_cast<T>(sums[c] / positions);
    }
  });
}

template <class T>
void avg_backward(T* dx, const T* dy, const Pool2dDims& d) {
  const T weight = T{1} / static_cast<T>(d.k_h * d.k_w);
  for_each_window_backward(dx, d, [=](const Window& window) {
    const T* g = dy + window.out;
    for_each_pixel(window, d, [&](std::int64_t pixel, std::int64_t) {
      T* to = dx + pixel;
#pragma omp simd
      for (std::int64_t c = 0; c < d.c; ++c) to[c] += weight * g[c];
    });
  });
}

}  // namespace

template <class T>
PoolKernels<T> pool() {
  return {max_forward<T>, max_backward<T>, avg_forward<T>, avg_backward<T>};
}
template PoolKernels<float> pool();
template PoolKernels<double> pool();

}  // namespace resgrad::kernels::RESGRAD_ISA
