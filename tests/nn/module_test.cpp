#include "nn/module.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <exception>
#include <fstream>

#include "core/ops/arithmetic.h"
#include "nn/nn.h"
#include "tests/support/compare.h"
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

TEST_CASE("to keeps the hooks of parameters") {
  Tree tree;
  int calls = 0;
  HookHandle handle = tree.scale.register_hook([&calls](const Tensor&) {
    ++calls;
    return Tensor();
  });
  tree.to(DType::float64);
  tree(random_tensor({2, 2, 3, 3}, 1)).sum().backward();
  CHECK(calls == 1);
  handle.remove();
  tree(random_tensor({2, 2, 3, 3}, 1)).sum().backward();
  CHECK(calls == 1);
}

TEST_CASE("calls go through a caller, which gets forward(), until there is none") {
  Tree tree;
  const Tensor x = random_tensor({2, 2, 3, 3}, 1, DType::float32);
  tree.eval();
  const Tensor y = tree(x);
  tree.call_through(
      [](Module& module, std::function<Tensor(const Tensor&)> forward, const Tensor& in) {
        CHECK(module.class_name() == "Tree");
        return mul(forward(in), 2);
      });
  CHECK(bit_equal(tree(x), mul(y, 2)));
  tree.call_through(nullptr);
  CHECK(bit_equal(tree(x), y));
}

TEST_CASE("a name is one word, and taken once among parameters, buffers and children") {
  struct Open final : Module {
    std::string class_name() const override { return "Open"; }
    Tensor forward(const Tensor& x) override { return x; }
    using Module::register_buffer, Module::register_module, Module::register_parameter;
  };
  const auto names = {"a", "b", "c"};
  const auto add = [](Open& m, int kind, const std::string& name) {
    if (kind == 0) m.register_parameter(name, Tensor::ones({1}));
    if (kind == 1) m.register_buffer(name, Tensor::ones({1}));
    if (kind == 2) m.register_module(name, std::make_shared<ReLU>());
  };
  const char* const ops[] = {"register_parameter", "register_buffer", "register_module"};
  for (int first : {0, 1, 2}) {
    for (int second : {0, 1, 2}) {
      CAPTURE(first);
      CAPTURE(second);
      Open m;
      for (const char* name : names) add(m, first, name);
      const std::string message = fmt::format(
          "{}: name: expected one that is free in its module, got \"b\" again", ops[second]);
      CHECK_THROWS_WITH_AS(add(m, second, "b"), message.c_str(), ValueError);
      CHECK_THROWS_AS(add(m, second, ""), ValueError);
      CHECK_THROWS_AS(add(m, second, "d.e"), ValueError);
      CHECK(m.named_parameters().size() == (first == 0 ? 3 : 0));
      CHECK(m.named_buffers().size() == (first == 1 ? 3 : 0));
      CHECK(m.children().size() == (first == 2 ? 3 : 0));
    }
  }
  Open m;
  CHECK_THROWS_AS(m.register_parameter("p", Tensor()), ValueError);
  CHECK_THROWS_AS(m.register_buffer("b", Tensor()), ValueError);
  CHECK_THROWS_AS(m.register_buffer("b", Tensor::ones({1}).set_requires_grad() * 2.0), StateError);
}

TEST_CASE("a conversion for which memory runs out converts nothing") {
  struct Wide final : Module {
    Wide() {
      register_parameter("small", Tensor::ones({3}));
      register_parameter("large", Tensor::ones({64 << 20}));  // 256 MB, converted 512 MB
    }
    std::string class_name() const override { return "Wide"; }
    Tensor forward(const Tensor& x) override { return x; }
  };
  Wide module;
  rlimit before{}, tight{};
  REQUIRE(::getrlimit(RLIMIT_AS, &before) == 0);
  std::ifstream statm("/proc/self/statm");
  rlim_t pages = 0;
  statm >> pages;
  REQUIRE(pages > 0);
  tight = before;
  tight.rlim_cur = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (rlim_t{256} << 20);
  REQUIRE(::setrlimit(RLIMIT_AS, &tight) == 0);
  bool thrown = false;
  try {
    module.to(DType::float64);
  } catch (const std::exception&) {
    thrown = true;
  }
  REQUIRE(::setrlimit(RLIMIT_AS, &before) == 0);
  CHECK(thrown);
  for (const NamedTensor& p : module.named_parameters()) CHECK(p.tensor.dtype() == DType::float32);
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
