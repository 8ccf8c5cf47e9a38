#include "core/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

TEST_CASE("an undefined tensor says so") {
  const Tensor t;
  CHECK_FALSE(t.defined());
  CHECK_THROWS_WITH_AS(t.shape(), "tensor: expected a defined tensor, got an undefined one",
                       StateError);
  CHECK_THROWS_AS(t.backward(), StateError);
  CHECK_THROWS_AS(add(t, t), StateError);
}

TEST_CASE("creation fills every element") {
  CHECK(all_close(Tensor::zeros({2, 2}), {0, 0, 0, 0}));
  CHECK(all_close(Tensor::ones({2}, DType::float64), {1, 1}));
  CHECK(all_close(Tensor::full({3}, 7, DType::int64), {7, 7, 7}));
  CHECK(Tensor::scalar(2.5).rank() == 0);
  CHECK(Tensor::scalar(2.5).item() == 2.5);
  CHECK(all_close(Tensor::from({1.0, 2.0, 3.0, 4.0}, {2, 2}), {1, 2, 3, 4}));
  CHECK(Tensor::from({1.0f}, {1}).dtype() == DType::float32);
  CHECK(Tensor::from({std::int64_t{1}}, {1}).dtype() == DType::int64);
  const Tensor like = random_tensor({1, 2, 3, 4}, 1, DType::float32, kChannelsLast);
  CHECK(Tensor::empty_like(like).memory_format() == kChannelsLast);
  CHECK(all_close(Tensor::zeros_like(like), Tensor::zeros({1, 2, 3, 4})));
}

TEST_CASE("creation checks shapes, formats and the number of values") {
  CHECK_THROWS_WITH_AS(Tensor::empty({2, -1}),
                       "tensor: shape: expected sizes of at least 0, got [2, -1]", ShapeError);
  CHECK_THROWS_WITH_AS(Tensor::empty({2, 3}, DType::float32, kChannelsLast),
                       "tensor: channels_last: expected rank 4, got shape [2, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(Tensor::from({1.0, 2.0}, {3}),
                       "tensor: values: expected 3 for shape [3], got 2", ShapeError);
  Random random(0, Purpose::test);
  CHECK_THROWS_WITH_AS(Tensor::randn({2}, random, DType::int64),
                       "randn: dtype: expected float32 or float64, got int64", ValueError);
}

TEST_CASE("a shape whose size overflows is an error, not a small tensor") {
  const std::int64_t huge = std::int64_t{1} << 32;
  CHECK_THROWS_AS(Tensor::empty({huge, huge}), ShapeError);
  CHECK_THROWS_WITH_AS(Tensor::empty({huge, huge / 4}, DType::float64),
                       "tensor: shape: expected fewer elements, got [4294967296, 1073741824]",
                       ShapeError);
}

TEST_CASE("random tensors draw in memory order") {
  Random a(1, Purpose::test), b(1, Purpose::test);
  const Tensor t = Tensor::randn({2, 3, 2, 2}, a, DType::float64, kChannelsLast);
  for (std::int64_t i = 0; i < t.numel(); ++i) CHECK(t.data<double>()[i] == b.normal());
  const Tensor u = Tensor::rand({100}, a, -2, -1);
  for (float v : u.to_vector<float>()) CHECK((v >= -2 && v < -1));
  // half of these doubles are nearer to the upper end, which float32 would round them to
  const float above_1 = std::nextafter(1.0F, 2.0F);
  for (float v : Tensor::rand({100}, a, 1, above_1).to_vector<float>()) CHECK(v == 1);
}

TEST_CASE("numbers that int64 cannot hold are no int64") {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), 1e19F}) {
    CHECK_THROWS_AS(Tensor::full({1}, value).to_vector<std::int64_t>(), ValueError);
  }
}

TEST_CASE("properties describe the tensor") {
  const Tensor t = Tensor::zeros({2, 3, 4, 5}, DType::float64, kChannelsLast);
  CHECK(t.rank() == 4);
  CHECK(t.dim(1) == 3);
  CHECK(t.dim(-1) == 5);
  CHECK(t.numel() == 120);
  CHECK(t.byte_size() == 960);
  CHECK(t.strides() == std::vector<std::int64_t>{60, 1, 15, 3});
  CHECK_THROWS_WITH_AS(t.dim(4), "dim: axis: expected [-4, 4), got 4", ShapeError);
}

TEST_CASE("data checks its type and item its size") {
  Tensor t = Tensor::zeros({2});
  CHECK_THROWS_WITH_AS(t.data<double>(), "data: dtype: expected float64, got float32", ValueError);
  CHECK_THROWS_WITH_AS(t.item(), "item: shape: expected one element, got [2]", ShapeError);
  CHECK(Tensor::full({1, 1}, 3, DType::int64).item() == 3);
}

TEST_CASE("to_vector gives logical order in both formats") {
  const Tensor t = Tensor::from({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, {1, 3, 1, 2});
  const Tensor last = t.detach(kChannelsLast);
  CHECK(last.data<double>()[1] == 3);  // next channel
  CHECK(last.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
  CHECK(bit_equal(last.detach(MemoryFormat::contiguous), t));
  CHECK(t.detach(MemoryFormat::contiguous).is_same(t));
  const Tensor leaf = t.clone().set_requires_grad();
  CHECK_FALSE(leaf.detach(MemoryFormat::contiguous).requires_grad());
  CHECK(leaf.detach(MemoryFormat::contiguous).bytes() == leaf.bytes());
}

TEST_CASE("changes in place are counted for all tensors on the storage") {
  Tensor t = Tensor::zeros({4});
  const Tensor view = t.view({2, 2});
  const std::uint64_t before = view.version();
  t.fill_(3);
  CHECK(view.version() == before + 1);
  CHECK(all_close(view, {3, 3, 3, 3}));
  t.copy_(Tensor::from({1.f, 2.f, 3.f, 4.f}, {4}));
  CHECK(view.version() == before + 2);
  CHECK(all_close(view, {1, 2, 3, 4}));
}

TEST_CASE("copy_ takes any memory format but no other shape or dtype") {
  Tensor t = Tensor::zeros({2, 3, 2, 2}, DType::float64, kChannelsLast);
  const Tensor source = random_tensor({2, 3, 2, 2}, 1);
  t.copy_(source);
  CHECK(all_close(t, source));
  CHECK_THROWS_WITH_AS(t.copy_(Tensor::zeros({2})),
                       "copy_: source: expected shape [2, 3, 2, 2], "
                       "got [2]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(t.copy_(Tensor::zeros({2, 3, 2, 2})),
                       "copy_: source: expected dtype float64, got float32", ValueError);
}

TEST_CASE("copy_ between overlapping rows behaves as if through a copy") {
  Tensor t = Tensor::from({1.0, 2.0, 3.0, 4.0}, {4});
  t.narrow(1, 4).copy_(t.narrow(0, 3));
  CHECK(all_close(t, {1, 1, 2, 3}));
}

TEST_CASE("a tensor that requires a gradient changes in place only without recording") {
  Tensor t = Tensor::zeros({2}).set_requires_grad();
  CHECK_THROWS_WITH_AS(t.fill_(1),
                       "in-place change: expected a tensor without a gradient, got one that "
                       "requires it; use NoGradGuard or detach()",
                       StateError);
  CHECK_THROWS_AS(t.copy_(Tensor::zeros({2})), StateError);
  CHECK(all_close(t, {0, 0}));
  const NoGradGuard no_grad;
  t.fill_(1);
  CHECK(all_close(t, {1, 1}));
}

TEST_CASE("empty tensors can be made, copied, viewed and reordered") {
  Tensor t = Tensor::zeros({0, 3, 2, 2});
  CHECK(t.numel() == 0);
  CHECK(t.clone().shape() == t.shape());
  CHECK(t.detach(kChannelsLast).numel() == 0);
  CHECK(t.view({0}).numel() == 0);
  CHECK(t.narrow(0, 0).numel() == 0);
  CHECK(t.to_vector<float>().empty());
  t.copy_(Tensor::zeros({0, 3, 2, 2}));
}

TEST_CASE("set_grad checks shape and dtype") {
  Tensor x = Tensor::zeros({2});
  CHECK_THROWS_WITH_AS(x.set_grad(Tensor::zeros({3})),
                       "set_grad: grad: expected shape [2], got [3]", ShapeError);
  CHECK_THROWS_WITH_AS(x.set_grad(Tensor::zeros({2}, DType::float64)),
                       "set_grad: grad: expected dtype float32, got float64", ValueError);
  x.set_grad(Tensor::ones({2}));
  CHECK(all_close(x.grad(), {1, 1}));
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
}
