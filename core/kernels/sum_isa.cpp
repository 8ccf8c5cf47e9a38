#include "core/kernels/sum.h"

#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

template <class T>
void add_row(double& sum, const T* x, std::int64_t n) {
  double row = 0;
#pragma omp simd reduction(+ : row)
  for (std::int64_t i = 0; i < n; ++i) row += static_cast<double>(x[i]);
  sum += row;
}

template <class T>
void add_to_columns(double* sums, const T* x, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) sums[i] += static_cast<double>(x[i]);
}

template <class T>
void add(double* sums, const T* x, const SumAxis* axes, std::int64_t count) {
  if (count == 1) {
    axes->summed ? add_row(*sums, x, axes->size) : add_to_columns(sums, x, axes->size);
    return;
  }
  std::int64_t step_x = 1, step_sums = 1;
  for (std::int64_t i = 1; i < count; ++i) {
    step_x *= axes[i].size;
    if (!axes[i].summed) step_sums *= axes[i].size;
  }
  if (axes->summed) step_sums = 0;
  for (std::int64_t i = 0; i < axes->size; ++i) {
    add(sums + i * step_sums, x + i * step_x, axes + 1, count - 1);
  }
}

}  // namespace

template <class T>
SumKernels<T> sums() {
  return {add<T>};
}
template SumKernels<float> sums();
template SumKernels<double> sums();

}  // namespace resgrad::kernels::RESGRAD_ISA
