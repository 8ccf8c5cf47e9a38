// Whether values are numbers.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

/// True when none of the n values is NaN or infinite.
template <class T>
bool all_finite(const T* x, std::int64_t n);

}  // namespace resgrad::kernels
