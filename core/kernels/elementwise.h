// Elementwise kernels on tensors of one shape and one memory format: `n` values in memory order.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

template <class T>
struct ElementwiseKernels {
  void (*add)(T* y, const T* a, const T* b, std::int64_t n);  ///< y = a + b
  void (*axpy)(T* y, T alpha, const T* x, std::int64_t n);    ///< y += alpha * x
  void (*scale)(T* y, T alpha, const T* x, std::int64_t n);   ///< y = alpha * x
  void (*relu_forward)(T* y, const T* x, std::int64_t n);     ///< y = max(x, 0); NaN stays NaN
  /// dx = dy where y > 0, else 0.
  void (*relu_backward)(T* dx, const T* dy, const T* y, std::int64_t n);
};

/// The kernels of the active instruction set; T is float or double, here and below.
template <class T>
const ElementwiseKernels<T>& elementwise();

}  // namespace resgrad::kernels
