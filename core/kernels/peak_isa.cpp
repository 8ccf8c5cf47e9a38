#include "core/kernels/peak.h"
#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

constexpr int kChains = 12;  // independent sums: latency times throughput of the units, and more

double multiply_add(std::int64_t iterations, float* sink) {
  const Vector factor = broadcast(0.999999F), term = broadcast(1e-6F);
  Vector sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = broadcast(static_cast<float>(i));
  for (std::int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = sums[i] * factor + term;
  }
  Vector total = sums[0];
  for (int i = 1; i < kChains; ++i) total += sums[i];
  for (int lane = 0; lane < kLanes; ++lane) *sink += total[lane];
  return 2.0 * kChains * static_cast<double>(kLanes * iterations);
}

}  // namespace

template <class T>
PeakKernels<T> peak() {
  return {multiply_add};
}
template PeakKernels<float> peak();

}  // namespace resgrad::kernels::RESGRAD_ISA
