#include "core/kernels/dropout.h"

#include "core/kernels/philox_isa.h"
#include "core/kernels/range_isa.h"
#include "core/kernels/threads.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

constexpr std::int64_t kBlocks = 64;  // whose words are drawn into the L1 cache, then compared

template <class T>
void apply(T* y, T* mask, const T* x, std::int64_t n, PhiloxWords counter, PhiloxKey key,
           std::uint32_t limit, T keep) {
#pragma omp parallel for schedule(static) num_threads(threads_for(n))
  for (std::int64_t begin = 0; begin < n; begin += 4 * kBlocks) {
    std::uint32_t words[4 * kBlocks];
    PhiloxWords first = counter;
    first.x0 += static_cast<std::uint32_t>(begin / 4);
    philox4x32<kBlocks>(words, first, key);
    const std::int64_t count = least(4 * kBlocks, n - begin);
    for (std::int64_t i = 0; i < count; ++i) {
      const T kept = words[i] < limit ? T{0} : keep;
      mask[begin + i] = kept;
      y[begin + i] = x[begin + i] * kept;
    }
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
