#include "core/kernels/peak.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

constexpr int kChains = 12;  // independent sums: latency times throughput of the units, and more

template <class T>
double multiply_add(std::int64_t iterations, T* sink) {
  typedef T Vector __attribute__((vector_size(kBytes)));
  constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));
  const Vector factor = Vector{} + static_cast<T>(0.999999);
  const Vector term = Vector{} + static_cast<T>(1e-6);
  Vector sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = Vector{} + static_cast<T>(i);
  for (std::int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = sums[i] * factor + term;
  }
  Vector total = sums[0];
  for (int i = 1; i < kChains; ++i) total += sums[i];
  for (int lane = 0; lane < kLanes; ++lane) *sink += total[lane];
  return 2.0 * kChains * kLanes * static_cast<double>(iterations);
}

}  // namespace

template <class T>
PeakKernels<T> peak() {
  return {multiply_add<T>};
}
template PeakKernels<float> peak();
template PeakKernels<double> peak();

}  // namespace resgrad::kernels::RESGRAD_ISA
