#include "nn/sequential.h"

#include <doctest/doctest.h>

#include "core/autograd/grad_mode.h"
#include "core/autograd/node.h"
#include "core/ops/arithmetic.h"
#include "nn/batch_norm2d.h"
#include "nn/conv2d.h"
#include "nn/layers.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

class Affine final : public Module {
 public:
  Affine(double scale, double shift) : scale_(scale), shift_(shift) {}
  std::string class_name() const override { return "Affine"; }

 private:
  Tensor forward(const Tensor& x) override { return x * scale_ + shift_; }
  double scale_, shift_;
};

}  // namespace

TEST_CASE("modules are applied in order") {
  Sequential modules{std::make_shared<Affine>(2, 1), std::make_shared<Affine>(10, 0)};
  CHECK(all_close(modules(tensor_of({1}, {1})), {30}));
  modules.append(std::make_shared<Affine>(1, 5));
  CHECK(all_close(modules(tensor_of({1}, {1})), {35}));
}

TEST_CASE("children are named by their number, appended ones as well") {
  Sequential modules{std::make_shared<ReLU>()};
  modules.append(std::make_shared<Flatten>());
  REQUIRE(modules.children().size() == 2);
  CHECK(modules.children()[0].first == "0");
  CHECK(modules.children()[1].first == "1");
  CHECK(modules.children()[1].second->class_name() == "Flatten");
}

TEST_CASE("without modules it returns its input") {
  Sequential nothing;
  const Tensor x = Tensor::ones({2});
  CHECK(nothing(x).is_same(x));
}

TEST_CASE("null is no module, and nothing is no last one") {
  CHECK_THROWS_WITH_AS((Sequential{std::make_shared<ReLU>(), nullptr}),
                       "register_module: 1: expected a module, got null", ValueError);
  CHECK_THROWS_WITH_AS(Sequential().without_last(Tensor::ones({2})),
                       "Sequential: without_last: expected at least one module, got none",
                       StateError);
  const auto outer = std::make_shared<Sequential>(), inner = std::make_shared<Sequential>();
  outer->append(inner);
  CHECK_THROWS_WITH_AS(inner->append(outer),
                       "register_module: 0: expected a module that does not hold this one, got one "
                       "that does",
                       ValueError);
}

TEST_CASE("a norm and its ReLU give the same joined in one operation and one by one") {
  struct Watch final : CallObserver {
    void enter(const Module&, const Tensor&) override { ++calls; }
    void leave(const Module&, const Tensor&) override {}
    int calls = 0;
  };
  const auto run = [](bool joined, bool training) {
    const auto norm = std::make_shared<BatchNorm2d>(3);
    Sequential modules{norm, std::make_shared<ReLU>(), std::make_shared<ReLU>()};
    modules.set_training(training);
    Tensor x = random_tensor({2, 3, 4, 5}, 1, DType::float32, MemoryFormat::channels_last);
    x.set_requires_grad();
    Tensor y;
    if (joined) {
      y = modules(x);
    } else {
      const Watch watch;
      y = modules(x);
      CHECK(watch.calls == 4);
    }
    y.backward(random_tensor({2, 3, 4, 5}, 2, DType::float32, MemoryFormat::channels_last));
    std::vector<Tensor> all{y, x.grad()};
    for (const NamedTensor& t : modules.state_dict()) all.push_back(t.tensor.detach());
    for (const NamedTensor& t : modules.named_parameters()) all.push_back(t.tensor.grad());
    return all;
  };
  for (bool training : {true, false}) {
    const std::vector<Tensor> joined = run(true, training), single = run(false, training);
    REQUIRE(joined.size() == single.size());
    for (std::size_t i = 0; i < joined.size(); ++i) CHECK(bit_equal(joined[i], single[i]));
  }
}

TEST_CASE(
    "a norm, its ReLU and a convolution join in one operation, and give the same one by one") {
  struct Watch final : CallObserver {
    void enter(const Module&, const Tensor&) override { ++calls; }
    void leave(const Module&, const Tensor&) override {}
    int calls = 0;
  };
  const auto run = [](bool joined, bool training) {
    Sequential modules{std::make_shared<BatchNorm2d>(3), std::make_shared<ReLU>(),
                       std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.padding = 1})};
    std::uint64_t seed = 10;
    modules.to(DType::float64);
    for (const NamedTensor& t : modules.named_parameters()) {
      const NoGradGuard no_grad;
      Tensor parameter = t.tensor;
      parameter.copy_(random_tensor(parameter.shape(), ++seed));
    }
    modules.set_training(training);
    Tensor x = random_tensor({2, 3, 4, 5}, 1, DType::float64, MemoryFormat::channels_last);
    x.set_requires_grad();
    Tensor y;
    if (joined) {
      y = modules(x);
      CHECK(y.impl()->grad_fn->name() == std::string("batch_norm_relu_conv2d"));
    } else {
      const Watch watch;
      y = modules(x);
      CHECK(watch.calls == 4);
    }
    y.backward(random_tensor(y.shape(), 2));
    std::vector<Tensor> all{y, x.grad()};
    for (const NamedTensor& t : modules.state_dict()) all.push_back(t.tensor.detach());
    for (const NamedTensor& t : modules.named_parameters()) all.push_back(t.tensor.grad());
    return all;
  };
  for (bool training : {true, false}) {
    const std::vector<Tensor> joined = run(true, training), single = run(false, training);
    REQUIRE(joined.size() == single.size());
    for (std::size_t i = 0; i < joined.size(); ++i) CHECK(all_close(joined[i], single[i], 1e-12));
  }
}
