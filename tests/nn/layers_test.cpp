#include "nn/layers.h"

#include <doctest/doctest.h>

#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("ReLU keeps what is positive") {
  ReLU relu;
  Tensor x = tensor_of({-1, 0, 2}, {3}).set_requires_grad();
  const Tensor y = relu(x);
  CHECK(all_close(y, {0, 0, 2}));
  y.sum().backward();
  CHECK(all_close(x.grad(), {0, 0, 1}));
}

TEST_CASE("Identity returns the very tensor") {
  Identity identity;
  const Tensor x = Tensor::ones({2});
  CHECK(identity(x).is_same(x));
}

TEST_CASE("MaxPool2d and AvgPool2d pool with their options") {
  const Tensor x = tensor_of({1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 1, 3, 3});
  MaxPool2d max({.kernel = 2, .stride = 1});
  CHECK(all_close(max(x), tensor_of({5, 6, 8, 9}, {1, 1, 2, 2})));
  MaxPool2d padded({.kernel = 3, .stride = 2, .padding = 1});
  CHECK(all_close(padded(x), tensor_of({5, 6, 8, 9}, {1, 1, 2, 2})));
  AvgPool2d avg({.kernel = 2});  // the stride is the kernel
  CHECK(all_close(avg(x), tensor_of({3}, {1, 1, 1, 1})));
}

TEST_CASE("GlobalAvgPool2d averages each channel") {
  GlobalAvgPool2d pool;
  Tensor x = tensor_of({1, 2, 3, 6, 0, 0, 0, 4}, {1, 2, 2, 2}).set_requires_grad();
  const Tensor y = pool(x);
  CHECK(all_close(y, tensor_of({3, 1}, {1, 2, 1, 1})));
  y.sum().backward();
  CHECK(all_close(x.grad(), std::vector<double>(8, 0.25)));
}

TEST_CASE("GlobalMaxPool2d takes the maximum of each channel") {
  GlobalMaxPool2d pool;
  Tensor x =
      tensor_of({1, 2, 6, 3, 5, 4, -1, -2, -3, -4, -5, -6}, {1, 2, 2, 3}).set_requires_grad();
  const Tensor y = pool(x);
  CHECK(all_close(y, tensor_of({6, -1}, {1, 2, 1, 1})));
  y.sum().backward();
  CHECK(all_close(x.grad(), {0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0}));
  CHECK_THROWS_AS(pool(Tensor::ones({2, 3})), ShapeError);
}

TEST_CASE("Scale multiplies by its factor") {
  Scale scale(0.25);
  Tensor x = tensor_of({1, -2, 8}, {3}).set_requires_grad();
  const Tensor y = scale(x);
  CHECK(all_close(y, {0.25, -0.5, 2}));
  y.sum().backward();
  CHECK(all_close(x.grad(), {0.25, 0.25, 0.25}));
}

TEST_CASE("Flatten keeps the batch and the logical order, in both memory formats") {
  Flatten flatten;
  const Tensor x = distinct_tensor({2, 3, 2, 2}, 1);
  CHECK(all_close(flatten(x), x.view({2, 12})));
  CHECK(all_close(flatten(x.detach(MemoryFormat::channels_last)), x.view({2, 12})));
}

TEST_CASE("layers have the names of PyTorch's summaries and no parameters") {
  const std::vector<std::pair<ModulePtr, std::string>> layers = {
      {std::make_shared<ReLU>(), "ReLU"},
      {std::make_shared<Identity>(), "Identity"},
      {std::make_shared<MaxPool2d>(Pool2dOptions{}), "MaxPool2d"},
      {std::make_shared<AvgPool2d>(Pool2dOptions{}), "AvgPool2d"},
      {std::make_shared<GlobalAvgPool2d>(), "AdaptiveAvgPool2d"},
      {std::make_shared<GlobalMaxPool2d>(), "AdaptiveMaxPool2d"},
      {std::make_shared<Scale>(2), "Scale"},
      {std::make_shared<Flatten>(), "Flatten"},
      {std::make_shared<Dropout>(0.5), "Dropout"}};
  for (const auto& [layer, name] : layers) {
    CHECK(layer->class_name() == name);
    CHECK(layer->named_parameters().empty());
  }
}
