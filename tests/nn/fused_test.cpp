#include "nn/fused.h"

#include <doctest/doctest.h>

#include <functional>

#include "core/autograd/grad_mode.h"
#include "core/autograd/node.h"
#include "core/ops/arithmetic.h"
#include "core/ops/relu.h"
#include "nn/batch_norm2d.h"
#include "nn/conv2d.h"
#include "nn/inference.h"
#include "nn/layers.h"
#include "nn/sequential.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

struct CountCalls final : CallObserver {
  void enter(const Module&, const Tensor&) override { ++calls; }
  void leave(const Module&, const Tensor&) override {}
  int calls = 0;
};

// A network of three channels with random parameters, and what is done with it.
struct Case {
  std::shared_ptr<Sequential> net;
  std::function<Tensor(const Tensor& x)> forward;
  const char* joined_operation;
  int calls;  // of modules, where each is called by itself
};

// y, dx, the state and the gradients of the parameters.
std::vector<Tensor> run(const Case& c, DType dtype, bool training, bool joined) {
  c.net->to(dtype);
  std::uint64_t seed = 10;
  for (const NamedTensor& t : c.net->named_parameters()) {
    const NoGradGuard no_grad;
    Tensor(t.tensor).copy_(random_tensor(t.tensor.shape(), ++seed, dtype));
  }
  c.net->set_training(training);
  Tensor x = random_tensor({2, 3, 4, 5}, 1, dtype, MemoryFormat::channels_last);
  x.set_requires_grad();
  Tensor y;
  if (joined) {
    y = c.forward(x);
    CHECK(y.impl()->grad_fn->name() == std::string(c.joined_operation));
  } else {
    const CountCalls observer;
    y = c.forward(x);
    CHECK(observer.calls == c.calls);
  }
  y.backward(random_tensor(y.shape(), 2, dtype, MemoryFormat::channels_last));
  std::vector<Tensor> all{y, x.grad()};
  for (const NamedTensor& t : c.net->state_dict()) all.push_back(t.tensor.detach());
  for (const NamedTensor& t : c.net->named_parameters()) all.push_back(t.tensor.grad());
  return all;
}

// Joined and one by one, from the same beginning, in both modes.
void check_joining(const std::function<Case()>& make, DType dtype, const auto& equal) {
  for (const bool training : {true, false}) {
    CAPTURE(training);
    const std::vector<Tensor> joined = run(make(), dtype, training, true);
    const std::vector<Tensor> single = run(make(), dtype, training, false);
    REQUIRE(joined.size() == single.size());
    for (std::size_t i = 0; i < joined.size(); ++i) CHECK(equal(joined[i], single[i]));
  }
}

Case in_turn(std::initializer_list<ModulePtr> modules, const char* operation) {
  const auto net = std::make_shared<Sequential>(modules);
  return {net, [net](const Tensor& x) { return apply_in_turn(net->children(), x); }, operation,
          static_cast<int>(modules.size())};
}

ModulePtr conv(std::int64_t c_out) {
  return std::make_shared<Conv2d>(3, c_out, 3, Conv2dLayerOptions{.padding = 1});
}

// path + x, for a path that ends with the given modules.
Case residual(std::initializer_list<ModulePtr> path, const char* operation) {
  const auto main_path = std::make_shared<Sequential>(path);
  const auto shortcut = std::make_shared<Identity>();
  const auto net =
      std::make_shared<Sequential>(std::initializer_list<ModulePtr>{main_path, shortcut});
  return {net, [=](const Tensor& x) { return add_relu(*main_path, *shortcut, x); }, operation,
          static_cast<int>(path.size()) + 2};
}

const auto kSameBits = [](const Tensor& a, const Tensor& b) { return bit_equal(a, b); };
const auto kClose = [](const Tensor& a, const Tensor& b) { return all_close(a, b, 1e-12); };

}  // namespace

TEST_CASE("a norm and the ReLU behind it join, with the same bits") {
  check_joining(
      [] {
        return in_turn({conv(3), std::make_shared<BatchNorm2d>(3), std::make_shared<ReLU>()},
                       "batch_norm_relu");
      },
      DType::float32, kSameBits);
}

TEST_CASE("a norm, its ReLU and a convolution join, with the same up to rounding") {
  check_joining(
      [] {
        return in_turn({std::make_shared<BatchNorm2d>(3), std::make_shared<ReLU>(), conv(4)},
                       "batch_norm_relu_conv2d");
      },
      DType::float64, kClose);
}

TEST_CASE("the last norm of a path does the addition and the ReLU, with the same bits") {
  check_joining(
      [] {
        return residual({conv(3), std::make_shared<BatchNorm2d>(3)}, "batch_norm_add_relu");
      },
      DType::float32, kSameBits);
}

TEST_CASE("a path without a last norm, or without modules, is added by itself") {
  for (const bool empty : {false, true}) {
    const auto make = [empty] {
      return empty ? residual({}, "relu") : residual({conv(3)}, "relu");
    };
    check_joining(make, DType::float32, kSameBits);
  }
}

TEST_CASE("nothing joins with what stands elsewhere: the end of the list is the end") {
  check_joining(
      [] {
        return in_turn({conv(3), std::make_shared<ReLU>(), std::make_shared<BatchNorm2d>(3)},
                       "batch_norm");
      },
      DType::float32, kSameBits);
}

TEST_CASE("a path that is no Sequential is called, whatever its children are") {
  // norm(relu(conv(x))), though the norm is its last child
  struct Path final : Module {
    std::shared_ptr<Conv2d> conv = register_module("conv", std::make_shared<Conv2d>(3, 3, 1));
    std::shared_ptr<BatchNorm2d> norm = register_module("norm", std::make_shared<BatchNorm2d>(3));
    std::string class_name() const override { return "Path"; }
    Tensor forward(const Tensor& x) override { return (*norm)(relu((*conv)(x))); }
  };
  const Tensor x = random_tensor({2, 3, 4, 5}, 1, DType::float32, MemoryFormat::channels_last);
  Identity identity;
  Path path;
  CHECK(bit_equal(add_relu(path, identity, x), relu(path(x) + x)));
  // what recomputes is called, too
  Sequential calls{std::make_shared<Conv2d>(3, 3, 1), std::make_shared<BatchNorm2d>(3)};
  static int called = 0;
  calls.call_through(
      [](Module&, std::function<Tensor(const Tensor&)> forward, const Tensor& input) {
        ++called;
        return forward(input);
      });
  add_relu(calls, identity, x);
  CHECK(called == 1);
  Conv2d conv(3, 3, 1);
  struct Add final : Module {
    explicit Add(Module& p) : p(p) {}
    std::string class_name() const override { return "Add"; }
    Tensor forward(const Tensor& input) override { return add(p, identity, input); }
    Module& p;
    Identity identity;
  };
  for (Module* inner : {static_cast<Module*>(&conv), static_cast<Module*>(&path)}) {
    Add net(*inner);
    InferenceNet inference = prepare_inference(net);
    inner->eval();
    const NoGradGuard no_grad;
    CHECK(all_close(inference(x), (*inner)(x) + x, 1e-5));
  }
}
