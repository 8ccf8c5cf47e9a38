// What SGD and AdamW share.
#include "train/optim/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>

#include "core/allocator.h"
#include "core/ops/arithmetic.h"
#include "tests/support/compare.h"
#include "train/optim/adamw.h"
#include "train/optim/sgd.h"

namespace resgrad {
namespace {

using testing::all_close;
using Parameters = std::vector<NamedTensor>;
using Make = std::function<std::unique_ptr<Optimizer>(const Parameters&)>;

NamedTensor parameter(const std::string& name, const std::vector<double>& values) {
  Tensor t = Tensor::from(values, {std::ssize(values)});
  t.set_requires_grad();
  return {name, t};
}

void set_grad(Tensor t, double value) {
  t.set_grad(Tensor::full(t.shape(), value, t.dtype(), t.memory_format()));
}

std::unique_ptr<Optimizer> make_sgd(const Parameters& parameters) {
  return std::make_unique<Sgd>(parameters,
                               SgdOptions{.momentum = 0.9, .weight_decay = 0.1, .nesterov = true});
}

std::unique_ptr<Optimizer> make_adamw(const Parameters& parameters) {
  return std::make_unique<Adamw>(parameters, AdamwOptions{.lr = 0.1, .weight_decay = 0.1});
}

void for_each_optimizer(const std::function<void(const Make&)>& check) {
  SUBCASE("sgd") {
    check(make_sgd);
  }
  SUBCASE("adamw") {
    check(make_adamw);
  }
}

TEST_CASE("split_no_decay exempts parameters of rank 0 and 1") {
  const NamedTensor conv{"conv", Tensor::zeros({2, 1, 1, 1})}, gamma{"gamma", Tensor::zeros({2})};
  const NamedTensor scale{"scale", Tensor::scalar(1)}, linear{"linear", Tensor::zeros({2, 2})};
  const auto groups = split_no_decay({conv, gamma, scale, linear});
  REQUIRE_EQ(groups.size(), 2);
  REQUIRE_EQ(groups[0].parameters.size(), 2);
  CHECK_EQ(groups[0].parameters[0].name, "conv");
  CHECK_EQ(groups[0].parameters[1].name, "linear");
  CHECK_FALSE(groups[0].weight_decay.has_value());
  REQUIRE_EQ(groups[1].parameters.size(), 2);
  CHECK_EQ(groups[1].parameters[0].name, "gamma");
  CHECK_EQ(groups[1].weight_decay, 0.0);
  CHECK_EQ(split_no_decay({conv}).size(), 1);
  CHECK_EQ(split_no_decay({}).size(), 0);
}

TEST_CASE("a parameter without a gradient and its state are left alone") {
  for_each_optimizer([](const Make& make) {
    NamedTensor a = parameter("a", {1.0}), b = parameter("b", {1.0});
    const auto optimizer = make({a, b});
    set_grad(a.tensor, 1);
    optimizer->step();
    CHECK_NE(a.tensor.item(), 1);
    CHECK_EQ(b.tensor.item(), 1);
    for (const NamedTensor& s : optimizer->state()) CHECK(s.name.starts_with("a"));
    const double after = a.tensor.item();
    optimizer->zero_grad();
    CHECK_FALSE(a.tensor.grad().defined());
    optimizer->step();
    CHECK_EQ(a.tensor.item(), after);
  });
}

TEST_CASE("the state continues any optimiser bit for bit") {
  for_each_optimizer([](const Make& make) {
    const auto run = [&make](bool resume) {
      NamedTensor a = parameter("a", {1.0, -2.0}), b = parameter("b", {0.3});
      auto optimizer = make({a, b});
      for (int step = 0; step < 6; ++step) {
        if (step == 3 && resume) {
          std::vector<NamedTensor> saved;
          for (const NamedTensor& s : optimizer->state())
            saved.push_back({s.name, s.tensor.clone()});
          optimizer = make({b, a});  // another order of parameters: names decide
          optimizer->load_state(saved);
        }
        set_grad(a.tensor, std::sin(step));
        if (step % 2 == 0) set_grad(b.tensor, std::cos(step));
        optimizer->step();
      }
      std::vector<double> w = a.tensor.to_vector<double>();
      w.push_back(b.tensor.item());
      return w;
    };
    CHECK_EQ(run(true), run(false));
  });
}

TEST_CASE("a gradient in another memory format moves the right elements") {
  for_each_optimizer([](const Make& make) {
    std::vector<double> values(24);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<double>(i));
    const auto run = [&](MemoryFormat format) {
      Tensor w = Tensor::zeros({2, 3, 2, 2}, DType::float64, format);
      w.set_requires_grad();
      w.set_grad(Tensor::from(values, {2, 3, 2, 2}));
      const auto optimizer = make({{"w", w}});
      optimizer->step();
      w.set_grad(Tensor::from(values, {2, 3, 2, 2}) * -0.3);
      optimizer->step();
      return w.to_vector<double>();
    };
    CHECK_EQ(run(MemoryFormat::channels_last), run(MemoryFormat::contiguous));
  });
}

TEST_CASE("an update is seen as a change in place, and allocates nothing once there is a state") {
  for_each_optimizer([](const Make& make) {
    NamedTensor p = parameter("w", {1.0, 2.0});
    const auto optimizer = make({p});
    set_grad(p.tensor, 1);
    optimizer->step();
    const std::uint64_t before = p.tensor.version();
    const AllocatorStats stats = allocator_stats();
    optimizer->step();
    CHECK_EQ(allocator_stats().bytes_in_use, stats.bytes_in_use);
    CHECK_GT(p.tensor.version(), before);
  });
}

TEST_CASE("a parameter that changed its dtype is an error that changes nothing") {
  for_each_optimizer([](const Make& make) {
    NamedTensor p = parameter("w", {1.0});
    const auto optimizer = make({p});
    set_grad(p.tensor, 1);
    optimizer->step();
    p.tensor.set_data(Tensor::ones({1}));
    set_grad(p.tensor, 1);
    CHECK_THROWS_AS(optimizer->step(), StateError);
    CHECK_EQ(p.tensor.item(), 1);
  });
}

TEST_CASE("a state is taken whole or not at all") {
  NamedTensor p = parameter("w", {1.0});
  const auto adamw = make_adamw({p});
  const Tensor mean = Tensor::full({1}, 2, DType::float64), square = mean.clone();
  const Tensor step = Tensor::zeros({}, DType::int64);
  const std::vector<NamedTensor> whole{
      {"w.exp_avg", mean}, {"w.exp_avg_sq", square}, {"w.step", step}};
  adamw->load_state(whole);
  CHECK_THROWS_WITH_AS(
      adamw->load_state({{"w.exp_avg", mean}, {"w.step", mean}}),
      "adamw: state: expected tensors that fit the parameters, got: w.exp_avg_sq is missing; "
      "w.step is float64 [1] in the place of int64 []",
      ValueError);
  CHECK_THROWS_WITH_AS(
      adamw->load_state({{"w", mean}, {"u.step", step}, {"u.step", step}, {"v", Tensor()}}),
      "adamw: state: expected tensors that fit the parameters, got: u.step is given twice; v is "
      "undefined; u.step is not known; w is not known",
      ValueError);
  REQUIRE_EQ(adamw->state().size(), 3);
  CHECK(all_close(adamw->state()[0].tensor, mean));

  adamw->load_state({});
  CHECK(adamw->state().empty());
}

TEST_CASE("the learning rate of any optimiser is finite and not negative") {
  for_each_optimizer([](const Make& make) {
    const auto optimizer = make({parameter("w", {1.0})});
    optimizer->set_lr(0.25);
    CHECK_EQ(optimizer->lr(), 0.25);
    CHECK_THROWS_AS(optimizer->set_lr(-0.1), ValueError);
    CHECK_THROWS_AS(optimizer->set_lr(NAN), ValueError);
    CHECK_EQ(optimizer->lr(), 0.25);
    CHECK_THROWS_AS(make({}), ValueError);
  });
}

}  // namespace
}  // namespace resgrad
