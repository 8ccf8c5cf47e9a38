#include "core/kernels/finite.h"

#include <bit>
#include <type_traits>

#include "core/kernels/threads.h"

namespace resgrad::kernels {

template <class T>
bool all_finite(const T* x, std::int64_t n) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  // NaN and infinity are the values whose exponent has all bits set
  constexpr Bits kExponent =
      sizeof(T) == 4 ? static_cast<Bits>(0x7f800000U) : static_cast<Bits>(0x7ff0000000000000ULL);
  Bits found = 0;
#pragma omp parallel for simd schedule(static) num_threads(threads_for(n)) reduction(| : found)
  for (std::int64_t i = 0; i < n; ++i) {
    found |= static_cast<Bits>((std::bit_cast<Bits>(x[i]) & kExponent) == kExponent);
  }
  return found == 0;
}

template bool all_finite(const float*, std::int64_t);
template bool all_finite(const double*, std::int64_t);

}  // namespace resgrad::kernels
