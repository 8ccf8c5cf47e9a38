#include "core/ops/dropout.h"

#include <algorithm>
#include <cmath>

#include "core/autograd/node.h"
#include "core/kernels/dropout.h"
#include "core/ops/arithmetic.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

struct DropoutNode final : Node {
  explicit DropoutNode(const Tensor& mask) : mask_(mask) {}
  const char* name() const override { return "dropout"; }
  std::vector<SavedTensor*> saved() override { return {&mask_}; }
  std::vector<Tensor> backward(const Tensor& dy) override { return {mul(dy, mask_.get(*this))}; }
  SavedTensor mask_;
};

}  // namespace

Tensor dropout(const Tensor& x, double p, Random& random) {
  require_floating("dropout", "x", x);
  require<ValueError>(p >= 0 && p < 1, "dropout: p: expected 0 <= p < 1, got {}", p);
  const std::int64_t n = x.numel();
  const Random::Blocks blocks = random.pass((n + 3) / 4);
  // u = word * 2^-32 is below p when word is below this
  const auto limit = static_cast<std::uint32_t>(std::min(std::ceil(p * 0x1p32), 0x1p32 - 1));
  Tensor y = Tensor::empty_like(x), mask = Tensor::empty_like(x);
  visit_floating(x.dtype(), "dropout", [&]<class T>() {
    kernels::dropout<T>().apply(y.data<T>(), mask.data<T>(), x.data<T>(), n, blocks.counter,
                                blocks.key, limit, static_cast<T>(1 / (1 - p)));
  });
  return record<DropoutNode>(y, {{"x", x}}, mask);
}

}  // namespace resgrad
