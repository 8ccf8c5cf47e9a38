#include "core/kernels/sgd.h"

#include "core/kernels/threads.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

template <class T>
void step(T* w, T* v, const T* dw, std::int64_t n, const SgdStep& s) {
  const T lr = static_cast<T>(s.lr), momentum = static_cast<T>(s.momentum);
  const T decay = static_cast<T>(s.weight_decay);
  const T take = static_cast<T>(1 - s.dampening);
  const bool first = s.first, nesterov = s.nesterov;
  if (v == nullptr) {
#pragma omp parallel for simd schedule(static) num_threads(threads_for(n))
    for (std::int64_t i = 0; i < n; ++i) w[i] -= lr * (dw[i] + decay * w[i]);
    return;
  }
#pragma omp parallel for simd schedule(static) num_threads(threads_for(n))
  for (std::int64_t i = 0; i < n; ++i) {
    const T g = dw[i] + decay * w[i];
    const T velocity = first ? g : momentum * v[i] + take * g;
    v[i] = velocity;
    w[i] -= lr * (nesterov ? g + momentum * velocity : velocity);
  }
}

}  // namespace

template <class T>
SgdKernels<T> sgd() {
  return {step<T>};
}
template SgdKernels<float> sgd();
template SgdKernels<double> sgd();

}  // namespace resgrad::kernels::RESGRAD_ISA
