#include "core/kernels/elementwise.h"

#include "core/kernels/threads.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

#define RESGRAD_SHARED _Pragma("omp parallel for simd schedule(static) num_threads(threads_for(n))")
#define RESGRAD_FOR_EACH RESGRAD_SHARED for (std::int64_t i = 0; i < n; ++i)

template <class T>
void add(T* y, const T* a, const T* b, std::int64_t n) {
  RESGRAD_FOR_EACH y[i] = a[i] + b[i];
}

template <class T>
void axpy(T* y, T alpha, const T* x, std::int64_t n) {
  RESGRAD_FOR_EACH y[i] += alpha * x[i];
}

template <class T>
void scale(T* y, T alpha, const T* x, std::int64_t n) {
  RESGRAD_FOR_EACH y[i] = alpha * x[i];
}

template <class T>
void relu_forward(T* y, const T* x, std::int64_t n) {
  RESGRAD_FOR_EACH y[i] = x[i] < T{0} ? T{0} : x[i];
}

template <class T>
void relu_backward(T* dx, const T* dy, const T* y, std::int64_t n) {
  RESGRAD_FOR_EACH dx[i] = y[i] > T{0} ? dy[i] : T{0};
}

}  // namespace

template <class T>
ElementwiseKernels<T> elementwise() {
  return {add<T>, axpy<T>, scale<T>, relu_forward<T>, relu_backward<T>};
}
template ElementwiseKernels<float> elementwise();
template ElementwiseKernels<double> elementwise();

}  // namespace resgrad::kernels::RESGRAD_ISA
