// Sums along axes.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

struct SumAxis {
  std::int64_t size;
  bool summed;
};

/// y = scale * (the sum of x along the axes that are summed). x is dense in the order of the axes,
/// the last one innermost, y in that of the axes that stay. Adds in double, in an order that
/// follows from the sizes. At least one axis, none empty, of neighbours one summed and one that
/// stays; T is float or double.
template <class T>
void sum(T* y, const T* x, const SumAxis* axes, std::int64_t count, double scale);

template <class T>
struct SumKernels {
  /// sums += the sums of x along the axes, on this thread.
  void (*add)(double* sums, const T* x, const SumAxis* axes, std::int64_t count);
};

template <class T>
const SumKernels<T>& sums();

}  // namespace resgrad::kernels
