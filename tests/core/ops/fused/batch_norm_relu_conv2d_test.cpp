#include "core/ops/fused/batch_norm_relu_conv2d.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/autograd/node.h"
#include "core/autograd/observer.h"
#include "core/ops/fused/batch_norm_relu.h"
#include "core/ops/reduce.h"
#include "tests/support/conv_dims.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

// The parameters and running statistics of a norm and the convolution behind it.
struct Layers {
  Tensor weight, bias, mean, var, w, b;

  Layers(std::int64_t channels, const Shape& w_shape, std::uint64_t seed, DType dtype)
      : weight(random_tensor({channels}, seed, dtype, MemoryFormat::contiguous, 0.5, 1.5)),
        bias(random_tensor({channels}, seed + 1, dtype)),
        mean(random_tensor({channels}, seed + 2, dtype)),
        var(random_tensor({channels}, seed + 3, dtype, MemoryFormat::contiguous, 0.5, 2)),
        w(random_tensor(w_shape, seed + 4, dtype)),
        b(random_tensor({w_shape[0]}, seed + 5, dtype)) {
    for (Tensor* t : {&weight, &bias, &w, &b}) t->set_requires_grad();
  }

  Tensor joined(const Tensor& x, const BatchNormOptions& norm, const Conv2dOptions& conv) {
    return batch_norm_relu_conv2d(x, weight, bias, mean, var, w, b, norm, conv);
  }
  Tensor one_by_one(const Tensor& x, const BatchNormOptions& norm, const Conv2dOptions& conv) {
    return conv2d(batch_norm_relu(x, weight, bias, mean, var, norm), w, b, conv);
  }
};

// y, all gradients and the running statistics of both forms, which must agree.
void compare(const Shape& x_shape, const Shape& w_shape, const BatchNormOptions& norm,
             const Conv2dOptions& conv, DType dtype, MemoryFormat format, std::uint64_t seed,
             double tolerance) {
  const auto run = [&](bool joined) {
    const Tensor x = random_tensor(x_shape, seed, dtype, format).set_requires_grad();
    Layers l(x_shape[1], w_shape, seed + 1, dtype);
    Tensor y = joined ? l.joined(x, norm, conv) : l.one_by_one(x, norm, conv);
    CHECK(y.memory_format() == format);
    y.backward(random_tensor(y.shape(), seed + 9, dtype));
    return std::vector<Tensor>{y,          x.grad(),   l.weight.grad(), l.bias.grad(),
                               l.w.grad(), l.b.grad(), l.mean,          l.var};
  };
  const std::vector<Tensor> got = run(true), want = run(false);
  for (std::size_t i = 0; i < got.size(); ++i) expect(all_close(got[i], want[i], tolerance));
}

}  // namespace

TEST_CASE("batch_norm_relu_conv2d equals batch_norm_relu and then conv2d") {
  CHECK(rc::check("any stride, padding, dilation and groups", [] {
    const kernels::Conv2dDims d = pick_conv2d_dims();
    const DType dtype = pick_dtype();
    const bool training = d.n * d.h_in * d.w_in > 1 && pick_bool();
    compare({d.n, d.c_in, d.h_in, d.w_in}, {d.c_out, d.group_in(), d.k_h, d.k_w},
            {.training = training, .eps = 0.01},
            {.stride = {d.stride_h, d.stride_w},
             .padding = {d.pad_h, d.pad_w},
             .dilation = {d.dilation_h, d.dilation_w},
             .groups = d.groups},
            dtype, pick_format(), pick_seed(), dtype == DType::float32 ? 2e-4 : 1e-12);
  }));
}

TEST_CASE("batch_norm_relu_conv2d equals the operations one by one on every float engine") {
  // winograd, direct in place and strided, grouped
  for (bool training : {true, false}) {
    const BatchNormOptions norm{.training = training};
    const auto check = [&](const Shape& x, const Shape& w, const Conv2dOptions& conv) {
      compare(x, w, norm, conv, DType::float32, MemoryFormat::channels_last, 1, 2e-3);
    };
    check({2, 32, 9, 7}, {48, 32, 3, 3}, {.padding = 1});
    check({2, 32, 9, 7}, {48, 32, 1, 1}, {});
    check({2, 32, 9, 7}, {48, 32, 3, 3}, {.stride = 2, .padding = 1});
    check({2, 32, 9, 7}, {32, 4, 3, 3}, {.padding = 1, .groups = 8});
  }
}

TEST_CASE("batch_norm_relu_conv2d gives gradients only where they are wanted") {
  Layers l(3, {4, 3, 3, 3}, 1, DType::float64);
  const Tensor x = random_tensor({2, 3, 5, 5}, 2);
  l.w = l.w.detach();
  l.joined(x, {}, {}).sum().backward();
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(l.w.grad().defined());
  CHECK(l.weight.grad().defined());
  CHECK(l.b.grad().defined());
}

TEST_CASE("batch_norm_relu_conv2d can be walked back twice") {
  Layers l(3, {4, 3, 3, 3}, 1, DType::float64);
  const Tensor x = random_tensor({2, 3, 5, 5}, 2).set_requires_grad();
  const Tensor y = l.joined(x, {}, {}).sum();
  y.backward({.retain_graph = true});
  const Tensor once = x.grad().clone();
  y.backward();
  const std::vector<double> a = once.to_vector<double>(), b = x.grad().to_vector<double>();
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(b[i] == 2 * a[i]);
}

TEST_CASE("batch_norm_relu_conv2d checks both parts before it moves the running statistics") {
  Layers l(3, {4, 3, 3, 3}, 1, DType::float64);
  const Tensor mean = l.mean.clone();
  CHECK_THROWS_WITH_AS(l.joined(Tensor::ones({2, 3, 2, 2}, DType::float64), {}, {}),
                       doctest::Contains("conv2d: x: expected height and width"), ShapeError);
  CHECK_THROWS_WITH_AS(l.joined(Tensor::ones({2, 4, 5, 5}, DType::float64), {}, {}),
                       doctest::Contains("batch_norm: weight: expected"), ShapeError);
  CHECK(bit_equal(l.mean, mean));
}

TEST_CASE("batch_norm_relu_conv2d keeps x, the weight and four values a channel, no activation") {
  struct Watch final : WorkObserver {
    void done(const Work& work) override { names.emplace_back(work.name); }
    std::vector<std::string> names;
  } seen;
  Layers l(3, {4, 3, 3, 3}, 1, DType::float64);
  const Tensor x = random_tensor({2, 3, 5, 5}, 2).set_requires_grad();
  const Tensor y = l.joined(x, {}, {});
  REQUIRE(y.impl()->grad_fn != nullptr);
  CHECK(y.impl()->grad_fn->saved_bytes() == 8 * (2 * 3 * 5 * 5 + 4 * 3 * 3 * 3 + 4 * 3));
  y.sum().backward();
  const std::string op = "batch_norm_relu_conv2d";
  for (const std::string& name : {std::string("batch_norm statistics"), op,
                                  std::string("conv2d bias"), std::string("batch_norm_relu")}) {
    CAPTURE(name);
    CHECK(std::find(seen.names.begin(), seen.names.end(), name) != seen.names.end());
  }
  CHECK(std::count(seen.names.begin(), seen.names.end(), op) == 3);
}
