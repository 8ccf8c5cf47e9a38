#include "core/ops/conv2d.h"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <string>

#include "core/autograd/observer.h"
#include "tests/support/conv_dims.h"
#include "tests/support/guards.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::Conv2dDims;

namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

Conv2dOptions options_of(const Conv2dDims& d) {
  return {.stride = {d.stride_h, d.stride_w},
          .padding = {d.pad_h, d.pad_w},
          .dilation = {d.dilation_h, d.dilation_w},
          .groups = d.groups};
}

void check_against_naive() {
  const Conv2dDims d = pick_conv2d_dims();
  const DType dtype = pick_dtype();
  const Tensor x = random_tensor({d.n, d.c_in, d.h_in, d.w_in}, pick_seed(), dtype, pick_format())
                       .set_requires_grad();
  const Tensor w =
      random_tensor({d.c_out, d.group_in(), d.k_h, d.k_w}, pick_seed(), dtype, pick_format())
          .set_requires_grad();
  const Tensor b = random_tensor({d.c_out}, pick_seed(), dtype).set_requires_grad();
  const Tensor y = conv2d(x, w, b, options_of(d));
  RC_ASSERT(y.memory_format() == x.memory_format());
  Array want = naive_conv2d(x, w, d), db({d.c_out});
  const Array bias = b;
  for_each_index(want.shape, [&](const Shape& i) { want.at(i) += bias.at({i[1]}); });
  expect(all_close(y, want, rounding(dtype)));
  const Tensor dy = random_tensor(y.shape(), pick_seed(), dtype, pick_format());
  const Array g = dy;
  for_each_index(want.shape, [&](const Shape& i) { db.at({i[1]}) += g.at(i); });
  y.backward(dy);
  expect(all_close(x.grad(), naive_conv2d_backward_input(dy, w, d), rounding(dtype)));
  expect(all_close(w.grad(), naive_conv2d_backward_weight(dy, x, d), rounding(dtype)));
  expect(all_close(b.grad(), db, rounding(dtype)));
}

}  // namespace

TEST_CASE("conv2d agrees with seven loops in all gradients") {
  CHECK(rc::check("all sizes, formats and dtypes", check_against_naive));
}

TEST_CASE("conv2d computes by the engine that is set, in every pass, with the same results") {
  constexpr double kTolerance = 3e-4;  // sums of 288 products, by way of winograd's transforms
  struct Engines final : WorkObserver {
    void done(const Work& work) override {
      if (work.name == "conv2d" && !work.engine.empty()) ++passes[std::string(work.engine)];
    }
    std::map<std::string, int> passes;
  };
  for (const std::int64_t groups : {1, 8}) {  // grouped takes the second alone
    for_each_conv2d_engine([&](std::string_view engine) {
      if (engine == "grouped" && groups == 1) return;
      CAPTURE(std::string(engine));
      const std::int64_t kernel = engine == "direct" ? 1 : 3;
      Tensor x = random_tensor({2, 32, 9, 7}, 1, DType::float32, MemoryFormat::channels_last);
      Tensor w = random_tensor({32, 32 / groups, kernel, kernel}, 2, DType::float32);
      x.set_requires_grad();
      w.set_requires_grad();
      const Conv2dOptions options{.padding = kernel / 2, .groups = groups};
      Engines seen;
      const Tensor y = conv2d(x, w, options);
      const Tensor dy = random_tensor(y.shape(), 3, DType::float32);
      y.backward(dy);
      // groups of 4 are too narrow for those that take whole vectors of a group
      const bool takes = groups == 1 || engine == "grouped" || engine == "reference";
      if (takes) CHECK(seen.passes[std::string(engine)] == 3);
      const Conv2dDims d{.n = 2,
                         .c_in = 32,
                         .h_in = 9,
                         .w_in = 7,
                         .c_out = 32,
                         .k_h = kernel,
                         .k_w = kernel,
                         .stride_h = 1,
                         .stride_w = 1,
                         .pad_h = kernel / 2,
                         .pad_w = kernel / 2,
                         .dilation_h = 1,
                         .dilation_w = 1,
                         .groups = groups};
      CHECK(all_close(y, naive_conv2d(x, w, d), kTolerance));
      CHECK(all_close(x.grad(), naive_conv2d_backward_input(dy, w, d), kTolerance));
      CHECK(all_close(w.grad(), naive_conv2d_backward_weight(dy, x, d), kTolerance));
    });
  }
}

TEST_CASE("conv2d by hand: a 2x2 sum with stride 2, padding 1 and a bias") {
  const Tensor x = tensor_of({1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 1, 3, 3});
  const Tensor y = conv2d(x, Tensor::ones({1, 1, 2, 2}, DType::float64), tensor_of({100}, {1}),
                          {.stride = 2, .padding = 1});
  CHECK(all_close(y, tensor_of({101, 105, 111, 128}, {1, 1, 2, 2})));
}

TEST_CASE("conv2d is a correlation: the kernel is not flipped") {
  const Tensor x = tensor_of({1, 10, 100}, {1, 1, 1, 3});
  CHECK(all_close(conv2d(x, tensor_of({1, 2}, {1, 1, 1, 2})), {21, 210}));
}

TEST_CASE("groups see only their own channels") {
  const Tensor x = tensor_of({1, 10, 100, 1000}, {1, 4, 1, 1});
  const Tensor w = tensor_of({1, 1, 1, 2}, {2, 2, 1, 1});
  CHECK(all_close(conv2d(x, w, {.groups = 2}), {11, 2100}));
}

TEST_CASE("conv2d computes only the gradients that are wanted") {
  const Tensor x = random_tensor({1, 2, 4, 4}, 1), w = random_tensor({3, 2, 3, 3}, 2);
  Tensor b = random_tensor({3}, 3).set_requires_grad();
  conv2d(x, w, b).sum().backward();
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(w.grad().defined());
  CHECK(all_close(b.grad(), {4, 4, 4}));
  const Tensor leaf = x.detach().set_requires_grad();
  conv2d(leaf, w).sum().backward();
  CHECK(leaf.grad().defined());
}

TEST_CASE("a batch of nothing convolves to nothing, with zero gradients of the weight") {
  const Tensor x = Tensor::zeros({0, 2, 4, 4}).set_requires_grad();
  const Tensor w = Tensor::ones({3, 2, 3, 3}).set_requires_grad();
  const Tensor y = conv2d(x, w);
  CHECK(y.shape() == Shape{0, 3, 2, 2});
  y.sum().backward();
  CHECK(all_close(w.grad(), Tensor::zeros({3, 2, 3, 3})));
  CHECK(x.grad().shape() == Shape{0, 2, 4, 4});
}

TEST_CASE("without input channels conv2d gives the bias, whichever engine takes the outputs") {
  for (const std::int64_t c_out : {2, 16, 64}) {
    for (const std::int64_t kernel : {1, 3}) {
      for (const std::int64_t stride : {1, 2}) {
        const Tensor bias = Tensor::full({c_out}, 5).set_requires_grad();
        const Tensor x = Tensor::zeros({1, 0, 4, 4}).set_requires_grad();
        const Tensor w = Tensor::zeros({c_out, 0, kernel, kernel}).set_requires_grad();
        const Tensor y = conv2d(x, w, bias, {.stride = stride, .padding = kernel / 2});
        CHECK(all_close(y, Tensor::full(y.shape(), 5)));
        y.sum().backward();
        const double pixels = static_cast<double>(y.dim(2) * y.dim(3));
        CHECK(all_close(bias.grad(), Tensor::full({c_out}, pixels)));
        CHECK(x.grad().shape() == x.shape());
        CHECK(w.grad().shape() == w.shape());
      }
    }
  }
}

TEST_CASE("the same seed gives the same bits, forward and backward") {
  const auto run = [] {
    const Tensor x =
        random_tensor({4, 8, 9, 9}, 1, DType::float32, kChannelsLast).set_requires_grad();
    const Tensor w = random_tensor({16, 4, 3, 3}, 2, DType::float32).set_requires_grad();
    const Tensor y = conv2d(x, w, {.padding = 1, .groups = 2});
    y.backward(random_tensor(y.shape(), 3, DType::float32, kChannelsLast));
    return std::vector<Tensor>{y.detach(), x.grad(), w.grad()};
  };
  const std::vector<Tensor> first = run(), second = run();
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(bit_equal(second[i], first[i]));
}

TEST_CASE("conv2d rejects a channel mismatch with the shapes and the groups") {
  CHECK_THROWS_WITH_AS(
      conv2d(Tensor::zeros({8, 16, 32, 32}), Tensor::zeros({32, 8, 3, 3}), {.groups = 4}),
      "conv2d: weight: expected [*, 4, *, *] for input [8, 16, 32, 32] with groups=4, got "
      "[32, 8, 3, 3]",
      ShapeError);
}

TEST_CASE("conv2d rejects ranks, groups, kernels and biases that do not fit") {
  const Tensor x = Tensor::zeros({1, 4, 5, 6}), w = Tensor::zeros({6, 4, 3, 3});
  CHECK_THROWS_WITH_AS(conv2d(Tensor::zeros({4, 5, 6}), w),
                       "conv2d: x: expected rank 4, got shape [4, 5, 6]", ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(x, Tensor::zeros({6, 4, 3})),
                       "conv2d: weight: expected rank 4, got shape [6, 4, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(x, w, {.groups = 3}),
                       "conv2d: x: expected channels divisible by groups=3, got [1, 4, 5, 6]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(
      conv2d(x, Tensor::zeros({5, 2, 3, 3}), {.groups = 2}),
      "conv2d: weight: expected output channels divisible by groups=2, got [5, 2, 3, 3]",
      ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(x, Tensor::zeros({6, 4, 0, 3})),
                       "conv2d: weight: expected [*, 4, *, *] for input [1, 4, 5, 6] with "
                       "groups=1, got [6, 4, 0, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(x, Tensor::zeros({6, 4, 3, 3}), {.dilation = {3, 1}}),
                       "conv2d: x: expected height and width of at least the kernel [6, 4, 3, 3] "
                       "with dilation (3, 1), got [1, 4, 5, 6] with padding (0, 0)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(x, w, Tensor::zeros({4})), "conv2d: bias: expected [6], got [4]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(x, w, {.padding = {0, std::int64_t{1} << 30}}),
                       "conv2d: x: expected an output of less than 2^31 columns, got 2147483652 of "
                       "[1, 4, 5, 6]",
                       ShapeError);
}

TEST_CASE("conv2d rejects paddings and dilations whose sums would overflow") {
  const Tensor x = Tensor::zeros({1, 4, 5, 6}), w = Tensor::zeros({6, 4, 3, 3});
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK_THROWS_AS(conv2d(x, w, {.padding = most / 2 + 1}), ValueError);
  CHECK_THROWS_AS(conv2d(x, w, {.dilation = most / 2 + 1}), ValueError);
  CHECK_THROWS_AS(conv2d(x, w, {.stride = most}), ValueError);
}

TEST_CASE("conv2d rejects options and dtypes that do not fit") {
  const Tensor x = Tensor::zeros({1, 4, 5, 6}), w = Tensor::zeros({6, 4, 3, 3});
  CHECK_THROWS_WITH_AS(conv2d(x, w, {.stride = {1, 0}}),
                       "conv2d: stride: expected 1 to 2147483647, got (1, 0)", ValueError);
  CHECK_THROWS_WITH_AS(conv2d(x, w, {.padding = {-1, 0}}),
                       "conv2d: padding: expected 0 to 2147483647, got (-1, 0)", ValueError);
  CHECK_THROWS_WITH_AS(conv2d(x, w, {.dilation = {0, 1}}),
                       "conv2d: dilation: expected 1 to 2147483647, got (0, 1)", ValueError);
  CHECK_THROWS_WITH_AS(conv2d(x, w, {.groups = 0}),
                       "conv2d: groups: expected 1 to 2147483647, got 0", ValueError);
  CHECK_THROWS_WITH_AS(conv2d(x, Tensor::zeros({6, 4, 3, 3}, DType::float64)),
                       "conv2d: weight: expected dtype float32, got float64", ValueError);
  CHECK_THROWS_WITH_AS(conv2d(x, w, Tensor::zeros({6}, DType::float64)),
                       "conv2d: bias: expected dtype float32, got float64", ValueError);
  CHECK_THROWS_WITH_AS(conv2d(Tensor::zeros({1, 4, 5, 6}, DType::int64), w),
                       "conv2d: x: expected a floating dtype, got int64", ValueError);
}

TEST_CASE("a kernel that is larger than any image is an error, without channels too") {
  const Tensor x = Tensor::zeros({1, 0, 5, 5});
  const Tensor weight = Tensor::zeros({1, 0, std::int64_t{1} << 33, 1});
  CHECK_THROWS_AS(conv2d(x, weight, {}, {.dilation = {2147483647, 1}}), ValueError);
}
