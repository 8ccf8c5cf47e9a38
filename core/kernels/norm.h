// Euclidean norms.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

/// Sum of x^2 over the n values, in double. The bits do not depend on the number of threads.
template <class T>
double squared_norm(const T* x, std::int64_t n);

}  // namespace resgrad::kernels
