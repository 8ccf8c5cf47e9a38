// Pooling kernels on channels_last activations.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

struct Pool2dDims {
  std::int64_t n, c, h_in, w_in;
  std::int64_t k_h, k_w, stride_h, stride_w, pad_h, pad_w;

  // always inline: a copy of its own, compiled for one instruction set, could serve the others
  [[gnu::always_inline]] std::int64_t h_out() const {
    return (h_in + 2 * pad_h - k_h) / stride_h + 1;
  }
  [[gnu::always_inline]] std::int64_t w_out() const {
    return (w_in + 2 * pad_w - k_w) / stride_w + 1;
  }
};

template <class T>
struct PoolKernels {
  /// y = maximum of the window, argmax = its position kh * k_w + kw (the first among equals; a NaN
  /// wins). Padding never wins.
  void (*max_forward)(T* y, std::int32_t* argmax, const T* x, const Pool2dDims& d);
  void (*max_backward)(T* dx, const T* dy, const std::int32_t* argmax, const Pool2dDims& d);
  /// y = sum of the window / (k_h * k_w), padding counting as zeros: in double, after runs of 64
  /// values in T.
  void (*avg_forward)(T* y, const T* x, const Pool2dDims& d);
  void (*avg_backward)(T* dx, const T* dy, const Pool2dDims& d);
};

template <class T>
const PoolKernels<T>& pool();

}  // namespace resgrad::kernels
