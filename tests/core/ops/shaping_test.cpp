#include "core/ops/shaping.h"

#include <doctest/doctest.h>

#include <limits>

#include <numeric>

#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

Tensor pick_tensor(std::int64_t low_rank, std::int64_t high_rank) {
  const Shape shape = pick_shape(pick(low_rank, high_rank));
  return random_tensor(shape, pick_seed(), pick_dtype(),
                       shape.size() == 4 ? pick_format() : MemoryFormat::contiguous);
}

}  // namespace

TEST_CASE("reshape keeps the logical order in both formats and infers one size") {
  const Tensor x = random_tensor({2, 3, 2, 2}, 1);
  for (MemoryFormat format : {MemoryFormat::contiguous, kChannelsLast}) {
    const Tensor y = reshape(x.detach(format), {4, -1});
    CHECK(y.shape() == Shape{4, 6});
    CHECK(y.to_vector<double>() == x.to_vector<double>());
  }
  CHECK(reshape(x, {24}).bytes() == x.bytes());  // no copy
  CHECK(reshape(Tensor::ones({1}), {}).rank() == 0);
  CHECK(reshape(Tensor::zeros({0, 3}), {3, -1}).shape() == Shape{3, 0});
}

TEST_CASE("reshape rejects another number of elements") {
  const Tensor x = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(reshape(x, {4, 2}),
                       "reshape: shape: expected 6 elements as in [2, 3], got [4, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(reshape(x, {-1, 4}),
                       "reshape: shape: expected 6 elements as in [2, 3], got [-1, 4]", ShapeError);
  CHECK_THROWS_AS(reshape(x, {-1, -1}), ShapeError);
  CHECK_THROWS_AS(reshape(x, {-2, -3}), ShapeError);
  CHECK_THROWS_AS(reshape(Tensor::zeros({0}), {-1, 0}), ShapeError);
}

TEST_CASE("flatten merges a range of axes") {
  const Tensor x = Tensor::zeros({2, 3, 4, 5});
  CHECK(flatten(x).shape() == Shape{2, 60});
  CHECK(flatten(x, 0).shape() == Shape{120});
  CHECK(flatten(x, 1, 2).shape() == Shape{2, 12, 5});
  CHECK(flatten(x, -2, -1).shape() == Shape{2, 3, 20});
  CHECK_THROWS_WITH_AS(flatten(x, 2, 1),
                       "flatten: axes: expected start <= end, got 2 and 1 for [2, 3, 4, 5]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(flatten(x, 4), "flatten: axis: expected [-4, 4), got 4", ShapeError);
}

TEST_CASE("permute agrees with the naive loops") {
  CHECK(rc::check("all shapes, formats and orders", [] {
    const Tensor x = pick_tensor(0, 5);
    Random random(pick_seed(), Purpose::test);
    const std::vector<std::int64_t> order = random.permutation(x.rank());
    std::vector<std::int64_t> negative = order;
    for (std::int64_t& axis : negative) axis -= pick_bool() ? x.rank() : 0;
    expect(all_close(permute(x, negative), naive_permute(x, order)));
  }));
}

TEST_CASE("permute rejects what is no permutation") {
  const Tensor x = Tensor::zeros({2, 3});
  const char* message = "permute: order: expected a permutation of the axes of [2, 3], got ";
  CHECK_THROWS_WITH_AS(permute(x, {0, 0}), fmt::format("{}[0, 0]", message).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(permute(x, {0}), fmt::format("{}[0]", message).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(permute(x, {0, 2}), "permute: axis: expected [-2, 2), got 2", ShapeError);
}

TEST_CASE("transpose swaps two axes") {
  const Tensor x = tensor_of({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(all_close(transpose(x), tensor_of({1, 4, 2, 5, 3, 6}, {3, 2})));
  CHECK(transpose(Tensor::zeros({2, 3, 4}), -1, 0).shape() == Shape{4, 3, 2});
  CHECK_THROWS_WITH_AS(transpose(x, 0, 2), "transpose: axis: expected [-2, 2), got 2", ShapeError);
}

TEST_CASE("slice agrees with the naive loops and keeps the format") {
  CHECK(rc::check("all shapes, axes, ranges and steps", [] {
    const Tensor x = pick_tensor(1, 5);
    const std::int64_t axis = pick(0, x.rank() - 1), size = x.dim(axis);
    const std::int64_t begin = pick(0, size - 1), end = pick(begin + 1, size), step = pick(1, 3);
    const bool from_end = pick_bool();
    const Tensor y = slice(x, axis, from_end ? begin - size : begin,
                           from_end && end < size ? end - size : end, step);
    RC_ASSERT(y.memory_format() == x.memory_format());
    const auto a = static_cast<std::size_t>(axis);
    Shape shape = x.shape(), start(x.shape().size()), steps(x.shape().size(), 1);
    shape[a] = (end - begin + step - 1) / step, start[a] = begin, steps[a] = step;
    expect(all_close(y, naive_window(x, shape, start, steps)));
  }));
}

TEST_CASE("slice rejects empty ranges and ranges outside of the axis") {
  const Tensor x = Tensor::zeros({2, 3});
  const auto message = [](const char* got) {
    return fmt::format(
        "slice: range: expected a non-empty range in [0, 3) of axis 1 of [2, 3], got {}", got);
  };
  CHECK_THROWS_WITH_AS(slice(x, 1, 1, 4), message("[1, 4)").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(slice(x, 1, 2, 2), message("[2, 2)").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(slice(x, 1, -4, 2), message("[-4, 2)").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(slice(x, 1, 0, 2, 0), "slice: step: expected at least 1, got 0", ValueError);
  CHECK_THROWS_WITH_AS(slice(x, 2, 0, 1), "slice: axis: expected [-2, 2), got 2", ShapeError);
}

TEST_CASE("concatenate joins what slice takes apart") {
  CHECK(rc::check("all shapes, axes and formats", [] {
    const Tensor x = pick_tensor(1, 5);
    const std::int64_t axis = pick(0, x.rank() - 1), size = x.dim(axis);
    std::vector<Tensor> parts;
    for (std::int64_t begin = 0; begin < size;) {
      const std::int64_t end = pick(begin + 1, size);
      Tensor part = slice(x, axis, begin, end);
      if (part.rank() == 4) part = part.detach(pick_format());
      parts.push_back(part);
      begin = end;
    }
    const Tensor y = concatenate(parts, pick_bool() ? axis : axis - x.rank());
    RC_ASSERT(y.memory_format() == parts[0].memory_format());
    expect(all_close(y, x));
  }));
}

TEST_CASE("concatenate gives each part its gradient and takes empty and repeated parts") {
  const Tensor a = tensor_of({1, 2}, {1, 2}).set_requires_grad();
  const Tensor none = Tensor::zeros({0, 2}, DType::float64).set_requires_grad();
  const Tensor constant = tensor_of({3, 4}, {1, 2});
  const Tensor y = concatenate({a, none, constant, a});
  CHECK(all_close(y, tensor_of({1, 2, 3, 4, 1, 2}, {3, 2})));
  y.backward(tensor_of({1, 2, 3, 4, 5, 6}, {3, 2}));
  CHECK(all_close(a.grad(), {6, 8}));
  CHECK(none.grad().shape() == Shape{0, 2});
  CHECK_FALSE(constant.grad().defined());
}

TEST_CASE("concatenate rejects what does not fit") {
  const Tensor x = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(concatenate({}), "concatenate: tensors: expected at least one, got none",
                       ShapeError);
  CHECK_THROWS_WITH_AS(concatenate({x, Tensor::zeros({2, 4})}),
                       "concatenate: tensors[1]: expected [*, 3], got [2, 4]", ShapeError);
  CHECK_THROWS_WITH_AS(concatenate({x, Tensor::zeros({2})}),
                       "concatenate: tensors[1]: expected [*, 3], got [2]", ShapeError);
  CHECK_THROWS_WITH_AS(concatenate({x, Tensor::zeros({2, 3}, DType::float64)}),
                       "concatenate: tensors[1]: expected dtype float32, got float64", ValueError);
  CHECK_THROWS_WITH_AS(concatenate({x}, 2), "concatenate: axis: expected [-2, 2), got 2",
                       ShapeError);
}

TEST_CASE("zero_pad agrees with the naive loops and keeps the format") {
  CHECK(rc::check("all shapes and sizes per side", [] {
    const Tensor x = pick_tensor(0, 5);
    Shape shape = x.shape(), begin(x.shape().size());
    std::vector<std::pair<std::int64_t, std::int64_t>> padding;
    const std::int64_t padded_axes = pick(0, x.rank());
    for (std::size_t i = 0; i < static_cast<std::size_t>(padded_axes); ++i) {
      padding.emplace_back(pick(0, 3), pick(0, 3));
      shape[i] += padding[i].first + padding[i].second;
      begin[i] = -padding[i].first;
    }
    const Tensor y = zero_pad(x, padding);
    RC_ASSERT(y.memory_format() == x.memory_format());
    expect(all_close(y, naive_window(x, shape, begin, Shape(begin.size(), 1))));
  }));
}

TEST_CASE("zero_pad rejects too many pairs and negative sizes, and pads nothing to zeros") {
  const Tensor x = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(zero_pad(x, {{0, 0}, {0, 0}, {1, 1}}),
                       "zero_pad: padding: expected at most 2 pairs for [2, 3], got 3", ShapeError);
  CHECK_THROWS_WITH_AS(zero_pad(x, {{1, -1}}),
                       "zero_pad: padding: expected 0 to 2147483647, got (1, -1)", ValueError);
  const Tensor none = Tensor::zeros({0, 2}, DType::float64).set_requires_grad();
  const Tensor y = zero_pad(none, {{1, 1}});
  CHECK(all_close(y, tensor_of({0, 0, 0, 0}, {2, 2})));
  y.sum().backward();
  CHECK(none.grad().shape() == Shape{0, 2});
}

TEST_CASE("sizes near the largest integer do not wrap around") {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Tensor x = Tensor::zeros({4});
  CHECK(slice(x, 0, 1, 4, most).shape() == Shape{1});
  CHECK_THROWS_AS(zero_pad(x, {{most, 1}}), ValueError);
  CHECK_THROWS_AS(reshape(x, {most / 2 + 2, 4}), ShapeError);
  CHECK_THROWS_AS(reshape(x, {-1, most / 2 + 2, 4}), ShapeError);
  CHECK_THROWS_AS(reshape(Tensor::zeros({0}), {-1, 0}), ShapeError);
}

TEST_CASE("empty tensors are permuted, sliced and reshaped, with empty gradients") {
  const Tensor x = Tensor::zeros({2, 0, 3}, DType::float64).set_requires_grad();
  for (const Tensor& y : {permute(x, {2, 0, 1}), slice(x, 2, 0, 2), reshape(x, {0}), flatten(x)}) {
    CHECK(y.numel() == 0);
    y.sum().backward();
    CHECK(x.grad().shape() == Shape{2, 0, 3});
  }
}

TEST_CASE("a change of memory format keeps the values and is its own gradient") {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1).set_requires_grad();
  const Tensor y = x.to(kChannelsLast);
  CHECK(y.memory_format() == kChannelsLast);
  CHECK(all_close(y, x));
  CHECK(y.to(kChannelsLast).is_same(y));
  const Tensor dy = random_tensor({2, 3, 4, 5}, 2);
  y.backward(dy);
  CHECK(x.grad().memory_format() == MemoryFormat::contiguous);
  CHECK(all_close(x.grad(), dy));
  CHECK_THROWS_WITH_AS(Tensor::zeros({2, 3}).to(kChannelsLast),
                       "tensor: channels_last: expected rank 4, got shape [2, 3]", ShapeError);
}

TEST_CASE("a change of dtype converts values, and gradients between floating dtypes") {
  const Tensor x = tensor_of({1.5, -2.5}, {2}, DType::float32).set_requires_grad();
  const Tensor y = x.to(DType::float64);
  CHECK(y.dtype() == DType::float64);
  y.backward(tensor_of({3, 4}, {2}));
  CHECK(x.grad().dtype() == DType::float32);
  CHECK(all_close(x.grad(), {3, 4}));
  CHECK(x.to(DType::float32).is_same(x));
  const Tensor integers = x.to(DType::int64);
  CHECK(all_close(integers, {1, -2}));
  CHECK_FALSE(integers.requires_grad());
  CHECK_FALSE(integers.to(DType::float32).requires_grad());
}

TEST_CASE("a step beyond the range takes the first element alone") {
  Tensor x = random_tensor({4, 3}, 1).set_requires_grad();
  const Tensor y = slice(x, 0, 1, 3, std::numeric_limits<std::int64_t>::max());
  CHECK(y.shape() == Shape{1, 3});
  y.sum().backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("numbers that int64 cannot hold are not converted") {
  for (const double value : {std::nan(""), 1e30, -1e30, 0x1p63}) {
    CAPTURE(value);
    CHECK_THROWS_AS(to_dtype(Tensor::full({2}, value, DType::float64), DType::int64), ValueError);
    CHECK_THROWS_AS(Tensor::full({2}, value, DType::int64), ValueError);
  }
  CHECK(to_dtype(Tensor::full({1}, -0x1p63, DType::float64), DType::int64).item() == -0x1p63);
}
