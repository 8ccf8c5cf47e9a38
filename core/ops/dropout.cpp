#include "core/ops/dropout.h"

#include <algorithm>

#include "core/ops/arithmetic.h"
#include "core/ops/require.h"

namespace resgrad {

Tensor dropout(const Tensor& x, double p, Random& random) {
  require_floating("dropout", "x", x);
  require<ValueError>(p >= 0 && p < 1, "dropout: p: expected 0 <= p < 1, got {}", p);
  Tensor mask = Tensor::empty_like(x);
  visit_floating(x.dtype(), "dropout", [&]<class T>() {
    const T keep = static_cast<T>(1 / (1 - p));
    std::generate_n(mask.data<T>(), mask.numel(),
                    [&] { return random.uniform() < p ? T{0} : keep; });
  });
  return mul(x, mask);
}

}  // namespace resgrad
