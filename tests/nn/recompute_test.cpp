#include "nn/recompute.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/autograd/grad_mode.h"
#include "core/autograd/gradcheck.h"
#include "core/autograd/observer.h"
#include "core/ops/arithmetic.h"
#include "core/random.h"
#include "nn/nn.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

// Two convolutions with norms, a ReLU and a dropout: everything that a second run could disturb.
std::shared_ptr<Sequential> make_net(std::uint64_t seed = 3) {
  const init::InitScope scope(seed);
  auto net = std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
      std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.padding = 1}),
      std::make_shared<BatchNorm2d>(4), std::make_shared<ReLU>(), std::make_shared<Dropout>(0.5, 7),
      std::make_shared<Conv2d>(4, 5, 1, Conv2dLayerOptions{.bias = false}),
      std::make_shared<BatchNorm2d>(5)});
  net->apply([](Module& module) {
    if (auto* conv = dynamic_cast<Conv2d*>(&module)) init::he_normal_fan_in_(conv->weight());
  });
  return net;
}

Tensor input(std::uint64_t seed = 1) {
  return random_tensor({2, 3, 5, 4}, seed, DType::float32, MemoryFormat::channels_last);
}

void check_same_bits(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].name);
    CHECK(a[i].tensor.to_vector<double>() == b[i].tensor.to_vector<double>());
    CHECK(a[i].tensor.grad().defined() == b[i].tensor.grad().defined());
    if (!a[i].tensor.grad().defined()) continue;
    CHECK(a[i].tensor.grad().to_vector<double>() == b[i].tensor.grad().to_vector<double>());
  }
}

}  // namespace

TEST_CASE("recomputation gives the same bits: outputs, gradients, statistics, dropout masks") {
  for (const bool training : {true, false}) {
    CAPTURE(training);
    const auto kept = make_net(), recomputed = make_net();
    set_recompute(*recomputed, true);
    for (const auto& net : {kept, recomputed}) net->set_training(training);
    for (std::uint64_t step = 0; step < 3; ++step) {
      Tensor a = input(step), b = input(step);
      if (step > 0) a.set_requires_grad(), b.set_requires_grad();  // at first the weights alone
      const Tensor ya = (*kept)(a), yb = (*recomputed)(b);
      CHECK(ya.to_vector<double>() == yb.to_vector<double>());
      (ya * ya).sum().backward();
      (yb * yb).sum().backward();
      if (step > 0) CHECK(a.grad().to_vector<double>() == b.grad().to_vector<double>());
      check_same_bits(kept->state_dict(), recomputed->state_dict());
    }
  }
}

TEST_CASE("two passes through one module before backward each repeat their own random numbers") {
  const auto kept = make_net(), recomputed = make_net();
  set_recompute(*recomputed, true);
  const auto loss = [](Module& net) { return (net(input(1)) * net(input(2))).sum(); };
  loss(*kept).backward();
  loss(*recomputed).backward();
  check_same_bits(kept->state_dict(), recomputed->state_dict());
}

TEST_CASE("a random state that is a buffer repeats, whatever module keeps it") {
  class Noise final : public Module {
   public:
    explicit Noise(double scale) {
      calls_ = register_buffer("calls", Tensor::zeros({}, DType::int64));
      scale_ = register_buffer("scale", Tensor::full({1}, scale));
    }
    std::string class_name() const override { return "Noise"; }

   private:
    Tensor forward(const Tensor& x) override {
      Random random(1, Purpose::test, 0,
                    static_cast<std::uint64_t>((*calls_.data<std::int64_t>())++));
      // the constant buffer is saved for backward: putting buffers back must leave it alone
      return x * Tensor::randn(x.shape(), random, x.dtype(), x.memory_format()) * scale_;
    }
    Tensor calls_, scale_;
  };
  Noise kept(2), recomputed(2);
  set_recompute(recomputed, true);
  Tensor a = input().set_requires_grad(), b = input().set_requires_grad();
  (kept(a) + kept(a)).sum().backward();
  (recomputed(b) + recomputed(b)).sum().backward();
  CHECK(a.grad().to_vector<double>() == b.grad().to_vector<double>());
  check_same_bits(kept.state_dict(), recomputed.state_dict());
}

TEST_CASE("a module that keeps random numbers outside its buffers is an error in backward") {
  class Noise final : public Module {
   public:
    std::string class_name() const override { return "Noise"; }

   private:
    Tensor forward(const Tensor& x) override {
      return x * Tensor::randn(x.shape(), random_, x.dtype(), x.memory_format());
    }
    Random random_{1, Purpose::test};
  };
  Sequential net{std::make_shared<Noise>()};
  set_recompute(net, true);
  const Tensor y = net(input().set_requires_grad()).sum();
  CHECK_THROWS_WITH_AS(y.backward(),
                       "backward of recompute: Sequential: expected the output of forward once "
                       "more, got another one: a module in it keeps a state, such as random "
                       "numbers, outside its buffers",
                       StateError);
}

TEST_CASE("an observer of forward alone does not count as another output") {
  struct Watch final : CallObserver {
    void enter(const Module&, const Tensor&) override {}
    void leave(const Module&, const Tensor&) override {}
  };
  Sequential net{std::make_shared<BatchNorm2d>(3), std::make_shared<ReLU>(),
                 std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.padding = 1})};
  set_recompute(net, true);
  Tensor x = input().set_requires_grad();
  Tensor y;
  {
    const Watch watch;
    y = net(x).sum();
  }
  CHECK_NOTHROW(y.backward());
  CHECK(x.grad().defined());
}

TEST_CASE("recomputation may be nested") {
  const auto kept = make_net(), recomputed = make_net();
  set_recompute(*recomputed, true);
  for (const auto& [name, child] : recomputed->children()) set_recompute(*child, true);
  (*kept)(input()).sum().backward();
  (*recomputed)(input()).sum().backward();
  check_same_bits(kept->state_dict(), recomputed->state_dict());
}

TEST_CASE("recomputation passes the gradient check") {
  const auto net = make_net();
  net->to(DType::float64);
  net->eval();  // no dropout: the masks of two calls differ
  set_recompute(*net, true);
  const Tensor x = random_tensor({2, 3, 4, 3}, 1, DType::float64);
  const GradcheckResult result =
      gradcheck([&](const std::vector<Tensor>& in) { return (*net)(in[0]); }, {x});
  CHECK_MESSAGE(result.ok, result.explain());
}

TEST_CASE("a module that returns its input, and one without gradients, can be recomputed") {
  Identity identity;
  set_recompute(identity, true);
  Tensor x = input().set_requires_grad();
  identity(x).sum().backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>(static_cast<std::size_t>(x.numel()), 1));
  CHECK(x.is_leaf());
  CHECK_FALSE(identity(input()).requires_grad());

  const auto net = make_net();
  set_recompute(*net, true);
  const NoGradGuard no_grad;
  CHECK_FALSE((*net)(input()).requires_grad());
}

TEST_CASE("nothing but the input is kept, and it goes after backward") {
  ReLU inner;
  Tensor x = input().set_requires_grad();
  int calls = 0;
  const auto forward = [&](const Tensor& in) {
    ++calls;
    return inner(in * in);
  };
  const Tensor y = recompute(inner, forward, x);
  CHECK(calls == 1);
  y.sum().backward({.retain_graph = true});
  CHECK(calls == 2);
  y.sum().backward();
  CHECK(calls == 3);
  CHECK_THROWS_AS(y.sum().backward(), StateError);
  CHECK(calls == 3);
}

TEST_CASE("what changed between forward and backward is an error") {
  const auto net = make_net();
  set_recompute(*net, true);
  const auto step = [&](auto&& change) {
    const Tensor loss = (*net)(input()).sum();
    {
      const NoGradGuard no_grad;
      change();
    }
    loss.backward();
  };
  const auto change_first = [](std::vector<NamedTensor> tensors) { tensors[0].tensor.fill_(1); };
  CHECK_NOTHROW(step([] {}));
  CHECK_THROWS_WITH_AS(step([&] { net->eval(); }),
                       "backward of recompute: Sequential: expected the modes of forward (train or "
                       "evaluation), got a module in the other",
                       StateError);
  CHECK_THROWS_AS(step([&] { change_first(net->named_parameters()); }), StateError);
  net->eval();
  CHECK_THROWS_AS(step([&] { change_first(net->named_buffers()); }), StateError);
  net->train();
  CHECK_NOTHROW(step([&] { change_first(net->named_buffers()); }));
}

TEST_CASE("the graph keeps a shared module alive") {
  auto net = make_net();
  set_recompute(*net, true);
  Tensor x = input().set_requires_grad();
  const Tensor loss = (*net)(x).sum();
  net.reset();
  loss.backward();
  CHECK(x.grad().defined());
}

TEST_CASE("a layer in train mode below a module in evaluation mode changes its buffers once") {
  std::vector<Tensor> states;
  for (const bool again : {false, true}) {
    const auto norm = std::make_shared<BatchNorm2d>(3);
    const auto net = std::make_shared<Sequential>(
        std::initializer_list<ModulePtr>{norm, std::make_shared<Dropout>(0.5, 7)});
    set_recompute(*net, again);
    net->eval();
    for (const auto& [name, child] : net->children()) child->train();
    Tensor x = random_tensor({4, 3, 5, 5}, 2, DType::float32).set_requires_grad();
    (*net)(x).sum().backward();
    states.push_back(x.grad());
    for (const NamedTensor& buffer : net->named_buffers()) states.push_back(buffer.tensor);
  }
  REQUIRE(states.size() == 10);
  for (std::size_t i = 0; i < 5; ++i) CHECK(bit_equal(states[i], states[i + 5]));
}

TEST_CASE("of the first run nothing is reported but that it was") {
  struct Names final : WorkObserver {
    void done(const Work& work) override { all.emplace_back(work.name); }
    std::vector<std::string> all;
  };
  Conv2d conv(3, 3, 1);
  set_recompute(conv, true);
  Tensor x = random_tensor({1, 3, 2, 2}, 1, DType::float32).set_requires_grad();
  Names names;
  const Tensor y = conv(x);
  CHECK(names.all == std::vector<std::string>{"recompute"});
  y.sum().backward();
  CHECK(std::ranges::count(names.all, "conv2d") == 3);
}
