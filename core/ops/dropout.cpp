#include "core/ops/dropout.h"

#include <algorithm>

#include "core/kernels/dropout.h"
#include "core/ops/arithmetic.h"
#include "core/ops/require.h"

namespace resgrad {

Tensor dropout(const Tensor& x, double p, Random& random) {
  require_floating("dropout", "x", x);
  require<ValueError>(p >= 0 && p < 1, "dropout: p: expected 0 <= p < 1, got {}", p);
  Tensor mask = Tensor::empty_like(x);
  visit_floating(x.dtype(), "dropout", [&]<class T>() {
    const T keep = static_cast<T>(1 / (1 - p));
    const auto draw = [&] { return random.uniform() < p ? T{0} : keep; };
    T *begin = mask.data<T>(), *const end = begin + mask.numel();
    while (begin != end && !random.between_blocks()) *begin++ = draw();
    const std::int64_t blocks = (end - begin) / 2;
    const Random::Blocks passed = random.pass(static_cast<std::uint32_t>(blocks));
    kernels::dropout<T>().mask(begin, blocks, passed.counter, passed.key, p, keep);
    std::generate(begin + 2 * blocks, end, draw);
  });
  return mul(x, mask);
}

}  // namespace resgrad
