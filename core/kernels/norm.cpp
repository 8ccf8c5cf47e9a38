#include "core/kernels/norm.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/kernels/threads.h"

namespace resgrad::kernels {

template <class T>
double squared_norm(const T* x, std::int64_t n) {
  // OpenMP adds the sums of threads in any order, so parts that do not depend on threads are summed
  constexpr std::int64_t kParts = 64;
  std::array<double, kParts> sums{};
  const std::int64_t part = (n + kParts - 1) / kParts;
#pragma omp parallel for schedule(static) num_threads(threads_for(n))
  for (std::int64_t p = 0; p < kParts; ++p) {
    const std::int64_t end = std::min(n, (p + 1) * part);
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = p * part; i < end; ++i) {
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    sums[static_cast<std::size_t>(p)] = sum;
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

template double squared_norm(const float*, std::int64_t);
template double squared_norm(const double*, std::int64_t);

}  // namespace resgrad::kernels
