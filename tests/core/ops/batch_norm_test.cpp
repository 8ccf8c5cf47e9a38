#include "core/ops/batch_norm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "core/ops/relu.h"
#include "tests/support/guards.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

// The tensors of one layer.
struct Layer {
  Tensor weight, bias, mean, var;

  Layer(std::int64_t channels, std::uint64_t seed, DType dtype = DType::float64)
      : weight(random_tensor({channels}, seed, dtype, MemoryFormat::contiguous, 0.5, 1.5)),
        bias(random_tensor({channels}, seed + 1, dtype)),
        mean(random_tensor({channels}, seed + 2, dtype)),
        var(random_tensor({channels}, seed + 3, dtype, MemoryFormat::contiguous, 0.5, 2)) {
    weight.set_requires_grad();
    bias.set_requires_grad();
  }

  Tensor operator()(const Tensor& x, const BatchNormOptions& options = {}) {
    return batch_norm(x, weight, bias, mean, var, options);
  }
};

void check_against_naive(bool training) {
  const std::int64_t low = training ? 2 : 1;  // a variance needs some values
  const Shape shape{pick(1, 4), pick(1, 9), pick(low, 5), pick(low, 5)};
  const DType dtype = pick_dtype();
  const Tensor x = random_tensor(shape, pick_seed(), dtype, pick_format()).set_requires_grad();
  Layer layer(shape[1], pick_seed(), dtype);
  const BatchNormOptions options{.training = training, .eps = 0.01};
  const Moments s = training
                        ? naive_moments(x)
                        : Moments{layer.mean.to_vector<double>(), layer.var.to_vector<double>()};
  const Tensor y = layer(x, options);
  RC_ASSERT(y.memory_format() == x.memory_format());
  const double tolerance = dtype == DType::float32 ? 1e-4 : 1e-11;
  expect(all_close(y, naive_batch_norm(x, s, layer.weight, layer.bias, 0.01), tolerance));
  const Tensor dy = random_tensor(shape, pick_seed(), dtype, pick_format());
  y.backward(dy);
  const BatchNormGrads want = naive_batch_norm_backward(dy, x, s, layer.weight, 0.01, training);
  expect(all_close(x.grad(), want.dx, tolerance));
  expect(all_close(layer.weight.grad(), want.dweight, tolerance));
  expect(all_close(layer.bias.grad(), want.dbias, tolerance));
}

}  // namespace

TEST_CASE("batch_norm agrees with the naive loops in training and evaluation") {
  CHECK(rc::check("training", [] { check_against_naive(true); }));
  CHECK(rc::check("evaluation", [] { check_against_naive(false); }));
}

// Channel values 1, 3, 5, 7: mean 4, unbiased variance 20 / 3. With momentum 0.25, from mean 8 and
// variance 2: mean = 0.75 * 8 + 0.25 * 4 = 7, variance = 0.75 * 2 + 0.25 * 20 / 3.
TEST_CASE("the running statistics move by momentum towards the mean and the unbiased variance") {
  const Tensor x = tensor_of({1, 3, 5, 7}, {2, 1, 1, 2});
  Layer layer(1, 1);
  layer.mean.fill_(8);
  layer.var.fill_(2);
  layer(x, {.momentum = 0.25});
  CHECK(layer.mean.item() == doctest::Approx(7).epsilon(1e-14));
  CHECK(layer.var.item() == doctest::Approx(1.5 + 5.0 / 3).epsilon(1e-14));
}

TEST_CASE("momentum 1 takes the batch, momentum 0 keeps the old statistics") {
  const Tensor x = tensor_of({1, 3, 5, 7}, {2, 1, 1, 2});
  Layer layer(1, 1);
  const double mean = layer.mean.item(), var = layer.var.item();
  layer(x, {.momentum = 0});
  CHECK(layer.mean.item() == mean);
  CHECK(layer.var.item() == var);
  layer(x, {.momentum = 1});
  CHECK(layer.mean.item() == 4);
  CHECK(layer.var.item() == doctest::Approx(20.0 / 3));
}

TEST_CASE("evaluation leaves the running statistics and their version alone") {
  Layer layer(3, 1);
  const Tensor mean = layer.mean.clone(), var = layer.var.clone();
  const std::uint64_t version = layer.mean.version();
  layer(random_tensor({2, 3, 2, 2}, 1), {.training = false});
  CHECK(bit_equal(layer.mean, mean));
  CHECK(bit_equal(layer.var, var));
  CHECK(layer.mean.version() == version);
}

TEST_CASE("training counts its change of the running statistics, also without recording") {
  Layer layer(3, 1);
  const std::uint64_t version = layer.mean.version();
  const NoGradGuard no_grad;
  layer(random_tensor({2, 3, 2, 2}, 1));
  CHECK(layer.mean.version() == version + 1);
  CHECK(layer.var.version() == 1);
}

TEST_CASE("an evaluation step between forward and backward does no harm") {
  Layer layer(3, 1);
  const Tensor x = random_tensor({2, 3, 2, 2}, 1).set_requires_grad();
  const Tensor y = layer(x, {.training = false}).sum();
  layer(random_tensor({2, 3, 2, 2}, 2));  // moves the running statistics
  CHECK_NOTHROW(y.backward());
}

TEST_CASE("a mean of 1e4 leaves mean 0 and deviation 1 in the result") {
  Random random(1, Purpose::test);
  std::vector<double> values;
  for (int i = 0; i < 8 * 4 * 16 * 16; ++i) values.push_back(1e4 + random.normal());
  const Tensor x = tensor_of(values, {8, 4, 16, 16}, DType::float32, MemoryFormat::channels_last);
  Layer layer(4, 1, DType::float32);
  layer.weight = Tensor::ones({4});
  layer.bias = Tensor::zeros({4});
  const Tensor y = layer(x, {.eps = 1e-5});
  const Moments s = naive_moments(y);
  for (std::size_t c = 0; c < 4; ++c) {
    CHECK(std::abs(s.mean[c]) < 2e-3);  // x itself is rounded to 1e-3
    CHECK(std::abs(s.var[c] - 1) < 1e-3);
  }
}

TEST_CASE(
    "a channel with a large mean loses nothing to cancellation, whatever the instruction set") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    Layer layer(1, 1, DType::float32);
    layer.weight = Tensor::ones({1});
    layer.bias = Tensor::full({1}, 0.3);
    // a constant channel is its bias
    const Shape shape{2, 1, 4, 4};
    CHECK(bit_equal(layer(Tensor::full(shape, 7310), {.eps = 1e-5}), Tensor::full(shape, 0.3)));

    // steps of the smallest size around 7310: what is added to the input must show in the result
    std::vector<double> values;
    for (int i = 0; i < 32; ++i) values.push_back(7310 + 0.0009765625 * (i % 5));
    const Tensor x = tensor_of(values, shape, DType::float32);
    const Moments s = naive_moments(x);
    const Tensor y = layer(x, {.eps = 1e-9});
    // the mean is rounded to half a step, of which all results are off alike
    Array want = naive_batch_norm(x, s, Tensor::ones({1}), layer.bias, 1e-9);
    const double off = y.to_vector<double>()[0] - want.values[0];
    CHECK(std::abs(off) < 0.5);
    for (double& v : want.values) v += off;
    CHECK(all_close(y, want, 1e-5));
  });
}

TEST_CASE("the gradient sums to zero over each channel in training") {
  Layer layer(3, 1);
  const Tensor x = random_tensor({4, 3, 5, 5}, 1).set_requires_grad();
  layer(x).backward(random_tensor({4, 3, 5, 5}, 2));
  const Array sums = naive_reduce(x.grad(), {true, false, true, true}, 0,
                                  [](double a, double b) { return a + b; });
  for (double v : sums.values) CHECK(std::abs(v) < 1e-12);
}

TEST_CASE("batch_norm gives no gradient where none is wanted") {
  Layer layer(3, 1);
  const Tensor x = random_tensor({4, 3, 5, 5}, 1);
  layer(x).sum().backward();
  CHECK_FALSE(x.grad().defined());
  CHECK(layer.weight.grad().defined());
  CHECK_FALSE(layer.mean.grad().defined());
}

TEST_CASE("a batch of nothing passes in evaluation") {
  Layer layer(3, 1);
  const Tensor x = Tensor::zeros({0, 3, 2, 2}, DType::float64).set_requires_grad();
  layer(x, {.training = false}).sum().backward();
  CHECK(x.grad().shape() == Shape{0, 3, 2, 2});
  CHECK(all_close(layer.weight.grad(), {0, 0, 0}));
}

TEST_CASE("without channels batch_norm passes forward and backward, in evaluation") {
  Layer layer(0, 1, DType::float32);
  const Tensor x = Tensor::zeros({2, 0, 4, 4}).set_requires_grad();
  const Tensor y = layer(x, {.training = false});
  CHECK(y.shape() == x.shape());
  y.sum().backward();
  CHECK(x.grad().shape() == x.shape());
  CHECK(layer.weight.grad().shape() == Shape{0});
}

TEST_CASE("batch_norm rejects what does not fit") {
  Layer layer(3, 1);
  Layer other(2, 1);
  Layer single(3, 1, DType::float32);
  const Tensor x = Tensor::zeros({2, 3, 2, 2}, DType::float64);
  CHECK_THROWS_WITH_AS(layer(Tensor::zeros({2, 3}, DType::float64)),
                       "batch_norm: x: expected rank 4, got shape [2, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(layer(Tensor::zeros({2, 3, 2, 2}, DType::int64)),
                       "batch_norm: x: expected a floating dtype, got int64", ValueError);
  CHECK_THROWS_WITH_AS(batch_norm(x, other.weight, layer.bias, layer.mean, layer.var),
                       "batch_norm: weight: expected [3], got [2]", ShapeError);
  CHECK_THROWS_WITH_AS(batch_norm(x, layer.weight, other.bias, layer.mean, layer.var),
                       "batch_norm: bias: expected [3], got [2]", ShapeError);
  CHECK_THROWS_WITH_AS(batch_norm(x, layer.weight, layer.bias, other.mean, layer.var),
                       "batch_norm: running_mean: expected [3], got [2]", ShapeError);
  CHECK_THROWS_WITH_AS(batch_norm(x, layer.weight, layer.bias, layer.mean, other.var),
                       "batch_norm: running_var: expected [3], got [2]", ShapeError);
  CHECK_THROWS_WITH_AS(single(x), "batch_norm: weight: expected dtype float64, got float32",
                       ValueError);
  const char* message = "batch_norm: options: expected momentum in [0, 1] and eps >= 0, got ";
  CHECK_THROWS_WITH_AS(layer(x, {.momentum = 1.5, .eps = 0.5}),
                       fmt::format("{}1.5 and 0.5", message).c_str(), ValueError);
  CHECK_THROWS_WITH_AS(layer(x, {.momentum = 0.5, .eps = -1}),
                       fmt::format("{}0.5 and -1", message).c_str(), ValueError);
  CHECK_THROWS_WITH_AS(layer(Tensor::zeros({1, 3, 1, 1}, DType::float64)),
                       "batch_norm: x: expected more than one value per channel in training, got "
                       "[1, 3, 1, 1]",
                       ShapeError);
  CHECK_NOTHROW(layer(Tensor::zeros({1, 3, 1, 1}, DType::float64), {.training = false}));
}
