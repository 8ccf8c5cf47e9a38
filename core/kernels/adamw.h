// The update of AdamW as one pass over a parameter.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

struct AdamwStep {
  double shrink;  ///< 1 - lr * weight_decay
  double beta1, beta2, eps;
  double step_size;   ///< lr / (1 - beta1^t)
  double root_scale;  ///< 1 / sqrt(1 - beta2^t)
};

template <class T>
struct AdamwKernels {
  /// m = beta1 * m + (1 - beta1) * dw; v = beta2 * v + (1 - beta2) * dw^2;
  /// w = shrink * w - step_size * m / (root_scale * sqrt(v) + eps).
  void (*step)(T* w, T* m, T* v, const T* dw, std::int64_t n, const AdamwStep& s);
};

template <class T>
const AdamwKernels<T>& adamw();

}  // namespace resgrad::kernels
