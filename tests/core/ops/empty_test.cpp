// Operations on tensors with an axis of size 0: the result, mostly empty, with gradients of the
// right shapes, or an error; never a division by zero.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>

#include "core/ops/arithmetic.h"
#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/ops/cross_entropy.h"
#include "core/ops/dropout.h"
#include "core/ops/fused/batch_norm_relu.h"
#include "core/ops/fused/batch_norm_relu_conv2d.h"
#include "core/ops/matmul.h"
#include "core/ops/pool.h"
#include "core/ops/reduce.h"
#include "core/ops/relu.h"
#include "core/ops/shaping.h"
#include "core/ops/shortcut.h"
#include "tests/support/compare.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

using Op = std::function<Tensor(const Tensor& x, const std::vector<Tensor>& parameters)>;

struct EmptyCase {
  std::string name;
  Op op;
  std::vector<Shape> parameters;  // with -1 for the channels of x
  std::vector<int> errors;        // axes of x that must not be empty
};

Tensor norm(const Tensor& x, const std::vector<Tensor>& p, bool training,
            const std::function<Tensor(Tensor&, Tensor&, const BatchNormOptions&)>& f) {
  Tensor mean = Tensor::zeros({x.dim(1)}, p[0].dtype()),
         var = Tensor::ones({x.dim(1)}, p[0].dtype());
  return f(mean, var, {.training = training});
}

std::vector<EmptyCase> cases_of_images() {
  std::vector<EmptyCase> all;
  for (const bool training : {false, true}) {
    const std::vector<int> errors = training ? std::vector<int>{0, 2, 3} : std::vector<int>{};
    all.push_back({"batch_norm",
                   [=](const Tensor& x, const std::vector<Tensor>& p) {
                     return norm(x, p, training, [&](Tensor& m, Tensor& v, const auto& o) {
                       return batch_norm(x, p[0], p[1], m, v, o);
                     });
                   },
                   {{-1}, {-1}},
                   errors});
    all.push_back({"batch_norm_relu",
                   [=](const Tensor& x, const std::vector<Tensor>& p) {
                     return norm(x, p, training, [&](Tensor& m, Tensor& v, const auto& o) {
                       return batch_norm_relu(x, p[0], p[1], m, v, o);
                     });
                   },
                   {{-1}, {-1}},
                   errors});
    all.push_back({"batch_norm_add_relu",
                   [=](const Tensor& x, const std::vector<Tensor>& p) {
                     return norm(x, p, training, [&](Tensor& m, Tensor& v, const auto& o) {
                       return batch_norm_add_relu(x, mul(x, 2), p[0], p[1], m, v, o);
                     });
                   },
                   {{-1}, {-1}},
                   errors});
    all.push_back({"batch_norm_relu_conv2d",
                   [=](const Tensor& x, const std::vector<Tensor>& p) {
                     return norm(x, p, training, [&](Tensor& m, Tensor& v, const auto& o) {
                       return batch_norm_relu_conv2d(x, p[0], p[1], m, v, p[2], p[3], o,
                                                     {.padding = 1});
                     });
                   },
                   {{-1}, {-1}, {5, -1, 3, 3}, {5}},
                   training ? errors : std::vector<int>{2, 3}});
  }
  const auto conv = [](std::int64_t stride) {
    return [stride](const Tensor& x, const std::vector<Tensor>& p) {
      return conv2d(x, p[0], p[1], {.stride = stride, .padding = 1});
    };
  };
  all.push_back({"conv2d", conv(1), {{5, -1, 3, 3}, {5}}, {2, 3}});
  all.push_back({"conv2d strided", conv(2), {{5, -1, 3, 3}, {5}}, {2, 3}});
  const auto without_parameters = [&](const char* name, auto f, std::vector<int> errors = {}) {
    all.push_back(
        {name, [f](const Tensor& x, const std::vector<Tensor>&) { return f(x); }, {}, errors});
  };
  without_parameters("max_pool2d", [](const Tensor& x) { return max_pool2d(x, {.kernel = 2}); },
                     {2, 3});
  without_parameters("avg_pool2d", [](const Tensor& x) { return avg_pool2d(x, {.kernel = 2}); },
                     {2, 3});
  without_parameters("global_avg_pool2d", [](const Tensor& x) { return global_avg_pool2d(x); },
                     {2, 3});
  without_parameters("pad_shortcut", [](const Tensor& x) {
    return pad_shortcut(x, {.stride = 2, .channels_before = 1, .channels_after = 2});
  });
  without_parameters("relu", [](const Tensor& x) { return relu(x); });
  without_parameters("exp", [](const Tensor& x) { return exp(x); });
  without_parameters("x / 2 - x", [](const Tensor& x) { return x / 2 - x; });
  without_parameters("pow", [](const Tensor& x) { return pow(x, 2); });
  without_parameters("x * row", [](const Tensor& x) {
    return x * Tensor::ones({1, x.dim(1), 1, 1}, x.dtype());
  });
  without_parameters("sum", [](const Tensor& x) { return sum(x, {.axes = {0, 2, 3}}); });
  without_parameters("mean",
                     [](const Tensor& x) {
                       return mean(x, {.axes = {0, 2, 3}});
                     },
                     {0, 2, 3});
  without_parameters("max", [](const Tensor& x) { return max(x, {.axes = {1}}); }, {1});
  without_parameters("flatten", [](const Tensor& x) { return flatten(x, 0, -1); });
  without_parameters("permute", [](const Tensor& x) { return permute(x, {3, 1, 0, 2}); });
  without_parameters("concatenate", [](const Tensor& x) { return concatenate({x, x, x}, 1); });
  without_parameters("zero_pad", [](const Tensor& x) { return zero_pad(x, {{1, 1}, {0, 1}}); });
  without_parameters("narrow", [](const Tensor& x) { return x.narrow(0, x.dim(0) / 2); });
  without_parameters("clone", [](const Tensor& x) { return x.clone(); });
  without_parameters("to_memory_format",
                     [](const Tensor& x) { return x.to(MemoryFormat::contiguous); });
  without_parameters("dropout", [](const Tensor& x) {
    Random random(1, Purpose::test);
    return dropout(x, 0.5, random);
  });
  return all;
}

void check(const EmptyCase& c, const Shape& shape, int empty_axis, DType dtype,
           MemoryFormat format) {
  CAPTURE(c.name);
  CAPTURE(empty_axis);
  const Tensor x = Tensor::zeros(shape, dtype, format).set_requires_grad();
  std::vector<Tensor> parameters;
  for (Shape size : c.parameters) {
    for (std::int64_t& d : size) d = d == -1 ? shape[1] : d;
    parameters.push_back(Tensor::ones(size, dtype).set_requires_grad());
  }
  if (std::ranges::find(c.errors, empty_axis) != c.errors.end()) {
    CHECK_THROWS_AS(c.op(x, parameters), std::invalid_argument);
    return;
  }
  const Tensor y = c.op(x, parameters);
  y.backward(Tensor::ones(y.shape(), dtype));
  CHECK(x.grad().shape() == shape);
  // a bias may have a gradient, since a sum of no products has a place in y
  for (const Tensor& p : parameters) {
    CHECK(p.grad().shape() == p.shape());
    if (y.numel() == 0) CHECK(all_close(p.grad(), Tensor::zeros_like(p)));
  }
}

}  // namespace

TEST_CASE("images without an image, a channel or a pixel") {
  for (const EmptyCase& c : cases_of_images()) {
    for (int axis = 0; axis < 4; ++axis) {
      Shape shape{2, 3, 4, 4};
      shape[static_cast<std::size_t>(axis)] = 0;
      for (DType dtype : {DType::float32, DType::float64}) {
        check(c, shape, axis, dtype, MemoryFormat::contiguous);
        check(c, shape, axis, dtype, MemoryFormat::channels_last);
      }
    }
  }
}

TEST_CASE("matrices without a row or a column") {
  const std::vector<EmptyCase> cases{
      {"linear",
       [](const Tensor& x, const std::vector<Tensor>& p) { return linear(x, p[0], p[1]); },
       {{5, -1}, {5}},
       {}},
      {"matmul",
       [](const Tensor& x, const std::vector<Tensor>& p) { return matmul(x, p[0]); },
       {{-1, 5}},
       {}},
      {"log_softmax",
       [](const Tensor& x, const std::vector<Tensor>&) { return log_softmax(x); },
       {},
       {1}},
      {"cross_entropy",
       [](const Tensor& x, const std::vector<Tensor>&) {
         return cross_entropy(x, Tensor::zeros({x.dim(0)}, DType::int64));
       },
       {},
       {0, 1}}};
  for (const EmptyCase& c : cases) {
    for (DType dtype : {DType::float32, DType::float64}) {
      check(c, {0, 3}, 0, dtype, MemoryFormat::contiguous);
      check(c, {2, 0}, 1, dtype, MemoryFormat::contiguous);
    }
  }
}
