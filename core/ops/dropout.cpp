#include "core/ops/dropout.h"

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
  Tensor y = Tensor::empty_like(x), mask = Tensor::empty_like(x);
  visit_floating(x.dtype(), "dropout", [&]<class T>() {
    const T keep = static_cast<T>(1 / (1 - p));
    T *const to = y.data<T>(), *const kept = mask.data<T>();
    const T* const from = x.data<T>();
    std::int64_t i = 0;
    const auto draw = [&] {
      kept[i] = random.uniform() < p ? T{0} : keep;
      to[i] = from[i] * kept[i];
      ++i;
    };
    while (i < x.numel() && !random.between_blocks()) draw();
    const std::int64_t blocks = (x.numel() - i) / 2;
    const Random::Blocks passed = random.pass(static_cast<std::uint32_t>(blocks));
    kernels::dropout<T>().apply(to + i, kept + i, from + i, blocks, passed.counter, passed.key, p,
                                keep);
    i += 2 * blocks;
    if (i < x.numel()) draw();
  });
  return record<DropoutNode>(y, {{"x", x}}, mask);
}

}  // namespace resgrad
