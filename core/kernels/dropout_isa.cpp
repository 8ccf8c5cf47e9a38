#include "core/kernels/dropout.h"

#include "core/kernels/threads.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

template <class T>
void apply(T* y, T* mask, const T* x, std::int64_t blocks, PhiloxWords counter, PhiloxKey key,
           double p, T keep) {
  // u = i * 2^-53 is below p when i is below this
  const double scaled = p * 0x1p53;
  const auto rounded = static_cast<std::int64_t>(scaled);
  const std::int64_t limit = rounded + (static_cast<double>(rounded) < scaled);
#pragma omp parallel for simd schedule(static) num_threads(threads_for(4 * blocks))
  for (std::int64_t b = 0; b < blocks; ++b) {
    const PhiloxWords words = philox4x32(
        {counter.x0 + static_cast<std::uint32_t>(b), counter.x1, counter.x2, counter.x3}, key);
    const auto u0 = static_cast<std::int64_t>(uniform53(words.x0, words.x1));
    const auto u1 = static_cast<std::int64_t>(uniform53(words.x2, words.x3));
    const T keep0 = u0 < limit ? T{0} : keep, keep1 = u1 < limit ? T{0} : keep;
    mask[2 * b] = keep0;
    mask[2 * b + 1] = keep1;
    y[2 * b] = x[2 * b] * keep0;
    y[2 * b + 1] = x[2 * b + 1] * keep1;
  }
}

}  // namespace

template <class T>
DropoutKernels<T> dropout() {
  return {apply<T>};
}
template DropoutKernels<float> dropout();
template DropoutKernels<double> dropout();

}  // namespace resgrad::kernels::RESGRAD_ISA
