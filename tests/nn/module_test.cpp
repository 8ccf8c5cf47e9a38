#include "nn/module.h"

#include <doctest/doctest.h>

#include "core/ops/arithmetic.h"
#include "nn/nn.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

using Names = std::vector<std::string>;

Names names_of(const std::vector<NamedTensor>& tensors) {
  Names names;
  for (const NamedTensor& t : tensors) names.push_back(t.name);
  return names;
}

/// A parameter, a buffer and children, registered in an order that differs from the state dict's.
class Tree final : public Module {
 public:
  Tree() {
    inner =
        register_module("inner", std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
                                     std::make_shared<Conv2d>(2, 2, 1), std::make_shared<ReLU>(),
                                     std::make_shared<BatchNorm2d>(2)}));
    register_buffer("offset", Tensor::full({1}, 1));
    scale = register_parameter("scale", Tensor::full({1}, 3));
    register_module("last", std::make_shared<Identity>());
  }
  std::string class_name() const override { return "Tree"; }

  std::shared_ptr<Sequential> inner;
  Tensor scale;

 private:
  Tensor forward(const Tensor& x) override { return mul((*inner)(x), scale); }
};

/// Two names for one layer.
class Shared final : public Module {
 public:
  Shared() {
    const auto conv = register_module("a", std::make_shared<Conv2d>(2, 2, 1));
    register_module("b", conv);
  }
  std::string class_name() const override { return "Shared"; }

 private:
  Tensor forward(const Tensor& x) override {
    return (*children()[1].second)((*children()[0].second)(x));
  }
};

}  // namespace

TEST_CASE("parameters and buffers come in the order of registration, own ones first") {
  const Tree tree;
  CHECK(names_of(tree.named_parameters()) ==
        Names{"scale", "inner.0.weight", "inner.0.bias", "inner.2.weight", "inner.2.bias"});
  CHECK(names_of(tree.named_buffers()) == Names{"offset", "inner.2.running_mean",
                                                "inner.2.running_var",
                                                "inner.2.num_batches_tracked"});
  CHECK(names_of(tree.own_parameters()) == Names{"scale"});
  CHECK(tree.children().size() == 2);
  CHECK(tree.children()[0].first == "inner");
  CHECK(tree.children()[1].first == "last");
}

TEST_CASE("parameters require a gradient, buffers do not") {
  const Tree tree;
  for (const NamedTensor& p : tree.named_parameters()) CHECK(p.tensor.requires_grad());
  for (const NamedTensor& b : tree.named_buffers()) CHECK_FALSE(b.tensor.requires_grad());
}

TEST_CASE("a shared parameter is listed once, but has all its names in the state dict") {
  const Shared shared;
  CHECK(names_of(shared.named_parameters()) == Names{"a.weight", "a.bias"});
  CHECK(names_of(shared.state_dict()) == Names{"a.weight", "a.bias", "b.weight", "b.bias"});
  CHECK(shared.parameter_count() == 6);
}

TEST_CASE("a module that is used twice collects both gradients") {
  Shared shared;
  shared(Tensor::ones({1, 2, 1, 1})).sum().backward();
  const Tensor bias = shared.named_parameters()[1].tensor;
  // d/db of the sum of W (W x + b) + b is 1 + the column sums of W
  const std::vector<double> w = shared.named_parameters()[0].tensor.to_vector<double>();
  CHECK(bias.grad().to_vector<double>()[0] == doctest::Approx(1 + w[0] + w[2]));
  CHECK(bias.grad().to_vector<double>()[1] == doctest::Approx(1 + w[1] + w[3]));
}

TEST_CASE("apply visits the children before the module, in order") {
  Tree tree;
  Names visited;
  tree.apply([&](Module& module) { visited.push_back(module.class_name()); });
  CHECK(visited == Names{"Conv2d", "ReLU", "BatchNorm2d", "Sequential", "Identity", "Tree"});
}

TEST_CASE("parameter_count counts elements of parameters, not of buffers") {
  CHECK(Tree().parameter_count() == 1 + (4 + 2) + (2 + 2));
  CHECK(ReLU().parameter_count() == 0);
}

TEST_CASE("train and eval reach every module below") {
  Tree tree;
  const auto count_training = [&tree] {
    int count = 0;
    tree.apply([&](Module& module) { count += module.is_training(); });
    return count;
  };
  CHECK(count_training() == 6);
  tree.eval();
  CHECK(count_training() == 0);
  tree.inner->train();
  CHECK(count_training() == 4);
  tree.train();
  CHECK(count_training() == 6);
}

TEST_CASE("to(float64) keeps the layers' handles, the values and the flow of gradients") {
  Tree tree;
  const std::vector<NamedTensor> before = tree.state_dict();
  std::vector<std::vector<float>> values;
  for (const NamedTensor& t : before) values.push_back(t.tensor.to_vector<float>());
  tree.scale.set_grad(Tensor::ones({1}));

  tree.to(DType::float64);

  for (std::size_t i = 0; i < before.size(); ++i) {
    CAPTURE(before[i].name);
    CHECK(before[i].tensor.is_same(tree.state_dict()[i].tensor));
    const bool is_counter = before[i].name.ends_with("num_batches_tracked");
    CHECK(before[i].tensor.dtype() == (is_counter ? DType::int64 : DType::float64));
    CHECK(before[i].tensor.to_vector<float>() == values[i]);
    CHECK_FALSE(before[i].tensor.grad().defined());
  }
  const Tensor y = tree(random_tensor({2, 2, 3, 3}, 1));
  CHECK(y.dtype() == DType::float64);
  y.backward(random_tensor(y.shape(), 2));
  for (const NamedTensor& p : tree.named_parameters()) {
    CAPTURE(p.name);
    REQUIRE(p.tensor.grad().defined());
    CHECK(p.tensor.grad().dtype() == DType::float64);
  }
  CHECK(tree.scale.grad().defined());
}

TEST_CASE("to rejects a dtype that is not floating and changes nothing") {
  Tree tree;
  CHECK_THROWS_WITH_AS(tree.to(DType::int64), "to: dtype: expected float32 or float64, got int64",
                       ValueError);
  for (const NamedTensor& p : tree.named_parameters()) CHECK(p.tensor.dtype() == DType::float32);
}

TEST_CASE("zero_grad drops all gradients, here and below") {
  Tree tree;
  tree(random_tensor({2, 2, 3, 3}, 1, DType::float32)).sum().backward();
  CHECK(tree.scale.grad().defined());
  tree.zero_grad();
  for (const NamedTensor& p : tree.named_parameters()) CHECK_FALSE(p.tensor.grad().defined());
}
