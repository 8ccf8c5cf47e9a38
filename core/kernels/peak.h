// The floating-point peak of this machine, for benchmarks.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

template <class T>
struct PeakKernels {
  /// Runs `iterations` rounds of independent multiply-adds in registers on the calling thread.
  /// Returns the number of floating-point operations; *sink keeps the result alive.
  double (*multiply_add)(std::int64_t iterations, T* sink);
};

template <class T>
const PeakKernels<T>& peak();

/// Floating-point operations per second of all threads together with the active instruction set:
/// the best of a few runs of about 50 ms.
double measure_peak_flops();

}  // namespace resgrad::kernels
