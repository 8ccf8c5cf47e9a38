#include "core/ops/fused/batch_norm_relu.h"

#include <doctest/doctest.h>

#include "core/ops/arithmetic.h"
#include "core/ops/batch_norm.h"
#include "core/ops/relu.h"
#include "tests/support/compare.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("batch_norm with a ReLU or an addition and a ReLU equals the operations one by one") {
  CHECK(rc::check("bit for bit, gradients included", [] {
    const Shape shape{pick(1, 4), pick(1, 40), pick(2, 5), pick(2, 5)};
    const DType dtype = pick_dtype();
    const std::uint64_t seed = pick_seed();
    const BatchNormOptions options{.training = pick_bool()};
    const MemoryFormat format = pick_format(), other = pick_format();
    const Tensor dy = random_tensor(shape, seed + 1, dtype, pick_format());
    const bool add = pick_bool();
    const auto run = [&](bool fused) {
      Tensor x = random_tensor(shape, seed + 2, dtype, format).set_requires_grad();
      Tensor residual = random_tensor(shape, seed + 3, dtype, other).set_requires_grad();
      const Shape channels{shape[1]};
      Tensor weight = random_tensor(channels, seed + 4, dtype).set_requires_grad();
      Tensor bias = random_tensor(channels, seed + 5, dtype).set_requires_grad();
      Tensor mean = random_tensor(channels, seed + 6, dtype),
             var = Tensor::full(channels, 2, dtype);
      Tensor y;
      if (!fused) {
        y = batch_norm(x, weight, bias, mean, var, options);
        y = relu(add ? y + residual.to(format) : y);
      } else if (add) {
        y = batch_norm_add_relu(x, residual, weight, bias, mean, var, options);
      } else {
        y = batch_norm_relu(x, weight, bias, mean, var, options);
      }
      y.backward(dy);
      std::vector<Tensor> all{y, x.grad(), weight.grad(), bias.grad(), mean, var};
      if (add) all.push_back(residual.grad());
      return all;
    };
    const std::vector<Tensor> got = run(true), want = run(false);
    for (std::size_t i = 0; i < got.size(); ++i) expect(all_close(got[i], want[i], 0));
  }));
}

TEST_CASE("batch_norm_add_relu takes a residual of the shape and dtype of x") {
  const Tensor x = Tensor::zeros({2, 3, 2, 2}), one = Tensor::ones({3});
  Tensor mean = Tensor::zeros({3}), var = Tensor::ones({3});
  const auto with = [&](const Tensor& residual) {
    return batch_norm_add_relu(x, residual, one, one, mean, var);
  };
  CHECK_THROWS_WITH_AS(with(Tensor::zeros({2, 3, 2, 1})),
                       "batch_norm_add_relu: residual: expected [2, 3, 2, 2], got [2, 3, 2, 1]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(with(Tensor::zeros({2, 3, 2, 2}, DType::float64)),
                       "batch_norm_add_relu: residual: expected dtype float32, got float64",
                       ValueError);
  CHECK_THROWS_AS(with({}), StateError);
  CHECK(all_close(mean, {0, 0, 0}));
}
