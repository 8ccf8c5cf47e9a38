#include "core/kernels/adamw.h"

#include "core/kernels/threads.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

// One instruction for a whole vector, as core/CMakeLists.txt compiles this file.
float root(float x) {
  return __builtin_sqrtf(x);
}
double root(double x) {
  return __builtin_sqrt(x);
}

template <class T>
void step(T* w, T* m, T* v, const T* dw, std::int64_t n, const AdamwStep& s) {
  const T shrink = static_cast<T>(s.shrink), eps = static_cast<T>(s.eps);
  const T beta1 = static_cast<T>(s.beta1), take1 = static_cast<T>(1 - s.beta1);
  const T beta2 = static_cast<T>(s.beta2), take2 = static_cast<T>(1 - s.beta2);
  const T step_size = static_cast<T>(s.step_size), root_scale = static_cast<T>(s.root_scale);
#pragma omp parallel for simd schedule(static) num_threads(threads_for(n))
  for (std::int64_t i = 0; i < n; ++i) {
    const T mean = beta1 * m[i] + take1 * dw[i];
    const T square = beta2 * v[i] + take2 * dw[i] * dw[i];
    m[i] = mean;
    v[i] = square;
    w[i] = shrink * w[i] - step_size * mean / (root_scale * root(square) + eps);
  }
}

}  // namespace

template <class T>
AdamwKernels<T> adamw() {
  return {step<T>};
}
template AdamwKernels<float> adamw();
template AdamwKernels<double> adamw();

}  // namespace resgrad::kernels::RESGRAD_ISA
