#include "core/ops/stochastic_depth.h"

#include <algorithm>

#include "core/ops/arithmetic.h"
#include "core/ops/require.h"

namespace resgrad {

Tensor stochastic_depth(const Tensor& x, double p, Random& random) {
  require_floating("stochastic_depth", "x", x);
  require<ShapeError>(x.rank() >= 1, "stochastic_depth: x: expected rank 1 or more, got {}",
                      x.shape());
  require<ValueError>(p >= 0 && p < 1, "stochastic_depth: p: expected 0 <= p < 1, got {}", p);
  Shape row(x.shape().size(), 1);
  row[0] = x.dim(0);
  Tensor mask = Tensor::empty(row, x.dtype());
  visit_floating(x.dtype(), "stochastic_depth", [&]<class T>() {
    const T keep = static_cast<T>(1 / (1 - p));
    std::generate_n(mask.data<T>(), mask.numel(),
                    [&] { return random.uniform() < p ? T{0} : keep; });
  });
  return mul(x, mask);
}

}  // namespace resgrad
