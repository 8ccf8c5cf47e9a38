#include "core/kernels/peak.h"

#include <omp.h>

#include <algorithm>

#include "core/kernels/threads.h"

namespace resgrad::kernels {

double measure_peak_flops() {
  constexpr std::int64_t kIterations = 4'000'000;
  constexpr int kRuns = 5;
  double best = 0;
  float sink = 0;
  for (int run = 0; run < kRuns; ++run) {
    double operations = 0;
    const double start = omp_get_wtime();
#pragma omp parallel num_threads(num_threads()) reduction(+ : operations, sink)
    operations += peak<float>().multiply_add(kIterations, &sink);
    best = std::max(best, operations / (omp_get_wtime() - start));
  }
  return sink == 0 ? 0 : best;
}

}  // namespace resgrad::kernels
