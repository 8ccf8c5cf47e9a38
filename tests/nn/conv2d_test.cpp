#include "nn/conv2d.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "nn/init.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("the layer is the operation with its own weight, bias and options") {
  Conv2d conv(4, 6, {3, 5}, {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2});
  CHECK(conv.weight().shape() == Shape{6, 2, 3, 5});
  CHECK(conv.bias().shape() == Shape{6});
  const Tensor x = random_tensor({2, 4, 7, 9}, 1, DType::float32);
  const Tensor want =
      conv2d(x, conv.weight(), conv.bias(),
             {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2});
  CHECK(all_close(conv(x), want));
  CHECK(conv(x).memory_format() == MemoryFormat::contiguous);
  CHECK(conv(x.detach(MemoryFormat::channels_last)).memory_format() == MemoryFormat::channels_last);
}

TEST_CASE("a layer without bias has one parameter") {
  const Conv2d conv(2, 2, 1, {.bias = false});
  CHECK_FALSE(conv.bias().defined());
  CHECK(conv.own_parameters().size() == 1);
  CHECK(conv.parameter_count() == 4);
}

TEST_CASE("initial weight and bias are uniform within 1 / sqrt(fan in)") {
  const init::InitScope scope(1);
  const Conv2d conv(64, 32, 3, {.groups = 4});
  const double bound = 1 / std::sqrt(16 * 9);
  for (const Tensor& t : {conv.weight(), conv.bias()}) {
    const std::vector<double> values = t.to_vector<double>();
    CHECK(*std::ranges::max_element(values) <= bound);
    CHECK(*std::ranges::min_element(values) >= -bound);
    CHECK(*std::ranges::max_element(values) > 0.8 * bound);
    CHECK(*std::ranges::min_element(values) < -0.8 * bound);
  }
}

TEST_CASE("channels that groups do not divide, and sizes below 1, are rejected") {
  const auto message = [](std::int64_t c_in, std::int64_t c_out, std::int64_t groups) {
    return fmt::format(
        "Conv2d: channels: expected positive multiples of groups={}, got c_in={} and c_out={}",
        groups, c_in, c_out);
  };
  for (const auto& [c_in, c_out, groups] : std::vector<std::array<std::int64_t, 3>>{
           {4, 6, 4}, {6, 4, 4}, {0, 1, 1}, {1, 0, 1}, {-2, 2, 1}, {2, 2, 0}, {2, 2, -1}}) {
    CHECK_THROWS_WITH_AS(Conv2d(c_in, c_out, 3, {.groups = groups}),
                         message(c_in, c_out, groups).c_str(), ValueError);
  }
  CHECK_THROWS_WITH_AS(Conv2d(1, 1, {0, 3}), "Conv2d: kernel: expected at least 1, got (0, 3)",
                       ValueError);
}

TEST_CASE("an input with other channels is rejected by the operation") {
  Conv2d conv(4, 2, 1);
  CHECK_THROWS_AS(conv(Tensor::ones({1, 3, 2, 2})), ShapeError);
}
