#include "core/kernels/pool.h"

#include "core/kernels/threads.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

struct Range {
  std::int64_t begin, end;
};

// Which positions of a window of size k that starts at `start` lie inside [0, size).
Range inside(std::int64_t start, std::int64_t k, std::int64_t size) {
  return {start < 0 ? -start : 0, start + k > size ? size - start : k};
}

// Calls f(out, window, n, h_start, w_start) for every output position of image n.
template <class F>
void for_each_window(std::int64_t n, const Pool2dDims& d, const F& f) {
  for (std::int64_t ho = 0; ho < d.h_out(); ++ho) {
    for (std::int64_t wo = 0; wo < d.w_out(); ++wo) {
      f(((n * d.h_out() + ho) * d.w_out() + wo) * d.c, ho * d.stride_h - d.pad_h,
        wo * d.stride_w - d.pad_w);
    }
  }
}

template <class T>
void max_forward(T* y, std::int32_t* argmax, const T* x, const Pool2dDims& d) {
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t n = 0; n < d.n; ++n) {
    for_each_window(n, d, [&](std::int64_t out, std::int64_t h, std::int64_t w) {
      const Range kh = inside(h, d.k_h, d.h_in), kw = inside(w, d.k_w, d.w_in);
      bool first = true;
      for (std::int64_t i = kh.begin; i < kh.end; ++i) {
        for (std::int64_t j = kw.begin; j < kw.end; ++j) {
          const T* in = x + ((n * d.h_in + h + i) * d.w_in + w + j) * d.c;
          const auto position = static_cast<std::int32_t>(i * d.k_w + j);
#pragma omp simd
          for (std::int64_t c = 0; c < d.c; ++c) {
            const bool wins = first || in[c] > y[out + c] || in[c] != in[c];
            y[out + c] = wins ? in[c] : y[out + c];
            argmax[out + c] = wins ? position : argmax[out + c];
          }
          first = false;
        }
      }
    });
  }
}

template <class T>
void max_backward(T* dx, const T* dy, const std::int32_t* argmax, const Pool2dDims& d) {
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t n = 0; n < d.n; ++n) {
    const std::int64_t image = d.h_in * d.w_in * d.c;
    for (std::int64_t i = 0; i < image; ++i) dx[n * image + i] = T{0};
    for_each_window(n, d, [&](std::int64_t out, std::int64_t h, std::int64_t w) {
      for (std::int64_t c = 0; c < d.c; ++c) {
        const std::int64_t i = argmax[out + c] / d.k_w, j = argmax[out + c] % d.k_w;
        dx[((n * d.h_in + h + i) * d.w_in + w + j) * d.c + c] += dy[out + c];
      }
    });
  }
}

template <class T>
void avg_forward(T* y, const T* x, const Pool2dDims& d) {
  const T weight = T{1} / static_cast<T>(d.k_h * d.k_w);
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t n = 0; n < d.n; ++n) {
    for_each_window(n, d, [&](std::int64_t out, std::int64_t h, std::int64_t w) {
      const Range kh = inside(h, d.k_h, d.h_in), kw = inside(w, d.k_w, d.w_in);
      for (std::int64_t c = 0; c < d.c; ++c) y[out + c] = T{0};
      for (std::int64_t i = kh.begin; i < kh.end; ++i) {
        for (std::int64_t j = kw.begin; j < kw.end; ++j) {
          const T* in = x + ((n * d.h_in + h + i) * d.w_in + w + j) * d.c;
#pragma omp simd
          for (std::int64_t c = 0; c < d.c; ++c) y[out + c] += weight * in[c];
        }
      }
    });
  }
}

template <class T>
void avg_backward(T* dx, const T* dy, const Pool2dDims& d) {
  const T weight = T{1} / static_cast<T>(d.k_h * d.k_w);
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t n = 0; n < d.n; ++n) {
    const std::int64_t image = d.h_in * d.w_in * d.c;
    for (std::int64_t i = 0; i < image; ++i) dx[n * image + i] = T{0};
    for_each_window(n, d, [&](std::int64_t out, std::int64_t h, std::int64_t w) {
      const Range kh = inside(h, d.k_h, d.h_in), kw = inside(w, d.k_w, d.w_in);
      for (std::int64_t i = kh.begin; i < kh.end; ++i) {
        for (std::int64_t j = kw.begin; j < kw.end; ++j) {
          T* in = dx + ((n * d.h_in + h + i) * d.w_in + w + j) * d.c;
#pragma omp simd
          for (std::int64_t c = 0; c < d.c; ++c) in[c] += weight * dy[out + c];
        }
      }
    });
  }
}

}  // namespace

template <class T>
PoolKernels<T> pool() {
  return {max_forward<T>, max_backward<T>, avg_forward<T>, avg_backward<T>};
}
template PoolKernels<float> pool();
template PoolKernels<double> pool();

}  // namespace resgrad::kernels::RESGRAD_ISA
