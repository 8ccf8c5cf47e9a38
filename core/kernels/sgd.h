// The update of stochastic gradient descent as one pass over a parameter.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

struct SgdStep {
  double lr, momentum, dampening, weight_decay;
  bool nesterov;
  bool first;  ///< the velocity is uninitialised: v = g
};

template <class T>
struct SgdKernels {
  /// g = dw + weight_decay * w; v = first ? g : momentum * v + (1 - dampening) * g;
  /// w -= lr * (nesterov ? g + momentum * v : v). Without momentum `v` is null and the step is g.
  void (*step)(T* w, T* v, const T* dw, std::int64_t n, const SgdStep& s);
};

template <class T>
const SgdKernels<T>& sgd();

}  // namespace resgrad::kernels
