#include "core/ops/shortcut.h"

#include <doctest/doctest.h>

#include "core/ops/shaping.h"
#include "tests/support/compare.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

Tensor slice_and_pad(const Tensor& x, const PadShortcutOptions& o) {
  const Tensor rows = slice(x, 2, 0, x.dim(2), o.stride.h);
  return zero_pad(slice(rows, 3, 0, x.dim(3), o.stride.w),
                  {{0, 0}, {o.channels_before, o.channels_after}});
}

}  // namespace

TEST_CASE("pad_shortcut by hand") {
  // 2 x 3 pixels of one channel
  const Tensor x = tensor_of({1, 2, 3, 4, 5, 6}, {1, 1, 2, 3}).set_requires_grad();
  const Tensor y = pad_shortcut(x, {.stride = 2, .channels_before = 1, .channels_after = 1});
  CHECK(all_close(y, tensor_of({0, 0, 1, 3, 0, 0}, {1, 3, 1, 2})));
  y.backward(tensor_of({7, 7, 8, 9, 7, 7}, {1, 3, 1, 2}));
  CHECK(all_close(x.grad(), {8, 0, 9, 0, 0, 0}));
}

TEST_CASE("pad_shortcut and its gradient equal slice and zero_pad") {
  CHECK(rc::check("any shape, dtype and format", [] {
    const PadShortcutOptions o{.stride = {*rc::gen::inRange(1, 4), *rc::gen::inRange(1, 4)},
                               .channels_before = *rc::gen::inRange(0, 4),
                               .channels_after = *rc::gen::inRange(0, 4)};
    const Shape shape = pick_shape(4);
    const DType dtype = pick_dtype();
    const Tensor x = random_tensor(shape, pick_seed(), dtype, pick_format()).set_requires_grad();
    const Tensor other = x.detach().set_requires_grad();
    const Tensor y = pad_shortcut(x, o), want = slice_and_pad(other, o);
    RC_ASSERT(y.memory_format() == x.memory_format());
    expect(all_close(y, want.detach()));
    const Tensor dy = random_tensor(y.shape(), pick_seed(), dtype);
    y.backward(dy);
    want.backward(dy);
    expect(all_close(x.grad(), other.grad()));
  }));
}

TEST_CASE("pad_shortcut rejects what it cannot take") {
  CHECK_THROWS_WITH_AS(pad_shortcut(Tensor::zeros({2, 3}), {}),
                       "pad_shortcut: x: expected rank 4, got shape [2, 3]", ShapeError);
  const Tensor x = Tensor::zeros({1, 1, 2, 2});
  CHECK_THROWS_WITH_AS(pad_shortcut(x, {.stride = 0}),
                       "pad_shortcut: stride: expected 1 to 2147483647, got (0, 0)", ValueError);
  CHECK_THROWS_WITH_AS(pad_shortcut(x, {.channels_before = -1}),
                       "pad_shortcut: channels_before: expected 0 to 2147483647, got -1",
                       ValueError);
  CHECK_THROWS_AS(pad_shortcut(x, {.channels_after = std::int64_t{1} << 31}), ValueError);
}
