#include "core/tensor.h"

#include <doctest/doctest.h>

#include <string_view>

#include "core/autograd/grad_mode.h"
#include "core/autograd/node.h"
#include "core/ops/arithmetic.h"
#include "core/ops/shaping.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

TEST_CASE("set_data changes all handles and keeps the leaf a leaf") {
  Tensor t = Tensor::zeros({2}).set_requires_grad();
  const Tensor handle = t;
  t.set_grad(Tensor::ones({2}));
  t.set_data(random_tensor({1, 2, 3, 4}, 1, DType::float64, kChannelsLast));
  CHECK(handle.shape() == Shape{1, 2, 3, 4});
  CHECK(handle.dtype() == DType::float64);
  CHECK(handle.memory_format() == kChannelsLast);
  CHECK(handle.requires_grad());
  CHECK(handle.is_leaf());
  CHECK_FALSE(handle.grad().defined());
  mul(handle, handle).sum().backward();
  CHECK(all_close(handle.grad(), mul(handle.detach(), 2)));
  Tensor result = mul(handle, 2);
  CHECK_THROWS_WITH_AS(result.set_data(t),
                       "set_data: expected a leaf, got the result of an operation", StateError);
}

TEST_CASE(
    "set_data refuses a dtype without gradients for a leaf that collects one, and changes "
    "nothing") {
  Tensor t = Tensor::ones({2}).set_requires_grad();
  CHECK_THROWS_WITH_AS(t.set_data(Tensor::zeros({5}, DType::int64)),
                       "set_data: other: expected float32 or float64 for a tensor that requires a "
                       "gradient, got int64",
                       ValueError);
  CHECK(t.requires_grad());
  CHECK(t.dtype() == DType::float32);
  mul(t, 3).sum().backward();
  CHECK(all_close(t.grad(), {3, 3}));
}

TEST_CASE("a graph made before set_data does not give the leaf a gradient of the old shape") {
  Tensor t = Tensor::ones({2}).set_requires_grad();
  const Tensor loss = mul(t, 3).sum();
  t.set_data(Tensor::ones({5}));
  loss.backward();
  CHECK_FALSE(t.grad().defined());
}

TEST_CASE("set_data and a pause without gradients keep the hooks, graphs made before lose them") {
  Tensor t = Tensor::ones({2}).set_requires_grad();
  int calls = 0;
  HookHandle handle = t.register_hook([&](const Tensor& dt) {
    ++calls;
    CHECK(dt.shape() == t.shape());
    return mul(dt, 2);
  });
  const Tensor before = mul(t, 3).sum();
  t.set_data(Tensor::ones({3}, DType::float64));
  before.backward();
  CHECK(calls == 0);
  mul(t, 5).sum().backward();
  CHECK(calls == 1);
  CHECK(all_close(t.grad(), {10, 10, 10}));
  t.set_requires_grad(false);
  t.set_requires_grad();
  mul(t, 5).sum().backward();
  CHECK(calls == 2);
  handle.remove();
  mul(t, 5).sum().backward();
  CHECK(calls == 2);
}

TEST_CASE("views share data, and detach alone cuts the history") {
  Tensor t = Tensor::zeros({2, 3}).set_requires_grad();
  for (const Tensor& view : {t.view({3, 2}), t.view({6}), t.narrow(0, 2)}) {
    CHECK(view.bytes() == t.bytes());
    CHECK(view.requires_grad());
    CHECK_FALSE(view.is_leaf());
  }
  CHECK(t.detach().bytes() == t.bytes());
  CHECK_FALSE(t.detach().requires_grad());
  CHECK(t.narrow(1, 2).shape() == Shape{1, 3});
  CHECK(t.narrow(1, 2).bytes() == t.bytes() + 12);
  CHECK(t.narrow(2, 2).numel() == 0);
  CHECK(t.clone().bytes() != t.bytes());
}

TEST_CASE("a gradient goes through clone, narrow and view") {
  for (MemoryFormat format : {MemoryFormat::contiguous, kChannelsLast}) {
    CAPTURE(name(format));
    const Tensor x = random_tensor({4, 2, 3, 1}, 1, DType::float64, format).set_requires_grad();
    const Tensor dy = random_tensor({2, 2, 3, 1}, 2, DType::float64, format);
    x.clone().narrow(1, 3).backward(dy);
    CHECK(all_close(x.grad(), zero_pad(dy, {{1, 1}})));
    CHECK(x.grad().memory_format() == format);
  }
  const Tensor x = random_tensor({2, 3}, 1).set_requires_grad(), dy = random_tensor({3, 2}, 2);
  x.view({3, 2}).backward(dy);
  CHECK(all_close(x.grad(), dy.view({2, 3})));
}

TEST_CASE("clone, narrow and view are named in errors and record nothing without a gradient") {
  const Tensor x = Tensor::zeros({2, 3}).set_requires_grad();
  CHECK(std::string_view(x.clone().grad_fn()->name()) == "clone");
  CHECK(std::string_view(x.narrow(0, 1).grad_fn()->name()) == "narrow");
  CHECK(std::string_view(x.view({6}).grad_fn()->name()) == "view");
  const NoGradGuard no_grad;
  CHECK_FALSE(x.clone().requires_grad());
  CHECK_FALSE(x.narrow(0, 1).requires_grad());
  CHECK_FALSE(x.view({6}).requires_grad());
}

TEST_CASE("narrow of a channels_last tensor gives its images") {
  const Tensor t = random_tensor({3, 2, 2, 2}, 1, DType::float64, kChannelsLast);
  const std::vector<double> all = t.to_vector<double>();
  CHECK(all_close(t.narrow(1, 3), std::vector<double>(all.begin() + 8, all.end())));
  CHECK(all_close(t.narrow(1, 3).narrow(1, 2), std::vector<double>(all.begin() + 16, all.end())));
}

TEST_CASE("view and narrow check their arguments") {
  const Tensor t = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(t.view({5}),
                       "view: shape: expected 6 elements of a contiguous tensor, got [5] for "
                       "contiguous [2, 3]",
                       ShapeError);
  CHECK_THROWS_AS(t.view({-2, -3}), ShapeError);
  // 4 elements, if the product may wrap around
  const std::int64_t wraps = (std::int64_t{1} << 62) + 1;
  const Tensor four = Tensor::zeros({4});
  CHECK_THROWS_WITH_AS(four.view({wraps, 4}),
                       "view: shape: expected fewer elements, got [4611686018427387905, 4]",
                       ShapeError);
  CHECK_THROWS_AS(Tensor::zeros({0}).view({0, wraps - 1, 4}), ShapeError);  // its strides would
  CHECK_THROWS_AS(Tensor::zeros({1, 2, 1, 1}, DType::float32, kChannelsLast).view({2}), ShapeError);
  CHECK_THROWS_WITH_AS(t.narrow(1, 3),
                       "narrow: range: expected 0 <= begin <= end <= size of axis 0 of [2, 3], got "
                       "[1, 3)",
                       ShapeError);
  CHECK_THROWS_AS(t.narrow(-1, 1), ShapeError);
  CHECK_THROWS_AS(Tensor::scalar(1).narrow(0, 1), ShapeError);
}

TEST_CASE("requires_grad is for floating leaves") {
  Tensor labels = Tensor::zeros({2}, DType::int64);
  CHECK_THROWS_WITH_AS(labels.set_requires_grad(),
                       "set_requires_grad: dtype: expected float32 or float64, got int64",
                       ValueError);
  Tensor x = Tensor::zeros({2}).set_requires_grad();
  CHECK(x.is_leaf());
  CHECK(x.set_requires_grad().requires_grad());
  Tensor y = mul(x, 2);
  CHECK_FALSE(y.is_leaf());
  CHECK_THROWS_WITH_AS(y.set_requires_grad(false),
                       "set_requires_grad: expected a leaf, got the result of mul; use detach()",
                       StateError);
  CHECK_FALSE(x.set_requires_grad(false).requires_grad());
  CHECK(x.is_leaf());
}
