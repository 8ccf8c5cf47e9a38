#include "train/make_optimizer.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/support/compare.h"
#include "train/optim/adamw.h"
#include "train/optim/sgd.h"

namespace resgrad {
namespace {

// A weight of rank 2 and one of rank 1, both 1 with a gradient of 0.
std::vector<NamedTensor> parameters() {
  std::vector<NamedTensor> p{{"w", Tensor::ones({1, 1})}, {"gamma", Tensor::ones({1})}};
  for (NamedTensor& t : p) {
    t.tensor.set_requires_grad();
    t.tensor.set_grad(Tensor::zeros(t.tensor.shape()));
  }
  return p;
}

// A parameter of ones with a gradient of 0.25.
NamedTensor one(const char* name, Shape shape) {
  NamedTensor p{name, Tensor::ones(std::move(shape))};
  p.tensor.set_requires_grad();
  p.tensor.set_grad(Tensor::full(p.tensor.shape(), 0.25));
  return p;
}

TEST_CASE("a run gets the optimiser that it names, with its settings") {
  for (const char* name : {"sgd", "adamw"}) {
    for (const bool no_norm_decay : {false, true}) {
      CAPTURE(name);
      CAPTURE(no_norm_decay);
      RunOptions o;
      o.optimizer = name;
      o.lr = 0.5;
      o.weight_decay = 0.5;
      o.no_norm_decay = no_norm_decay;
      const std::vector<NamedTensor> p = parameters();
      const auto optimizer = make_optimizer(p, o);
      CHECK_EQ(dynamic_cast<const Adamw*>(optimizer.get()) != nullptr, o.optimizer == "adamw");
      CHECK_EQ(dynamic_cast<const Sgd*>(optimizer.get()) != nullptr, o.optimizer == "sgd");
      optimizer->step();
      CHECK(testing::all_close(p[0].tensor, {0.75}));
      CHECK(testing::all_close(p[1].tensor, {no_norm_decay ? 1 : 0.75}));
    }
  }
}

TEST_CASE("the biases of norms have a rate and a decay of their own") {
  const std::vector<NamedTensor> p = {one("stem.0.bias", {1}),  one("stem.0.weight", {1, 1, 1, 1}),
                                      one("norm.weight", {1}),  one("norm.bias", {1}),
                                      one("fc.weight", {1, 1}), one("fc.bias", {1})};
  for (const bool no_norm_decay : {false, true}) {
    CAPTURE(no_norm_decay);
    for (const NamedTensor& t : p) t.tensor.detach().copy_(Tensor::ones(t.tensor.shape()));
    RunOptions o;
    o.lr = 0.125;
    o.momentum = 0;
    o.weight_decay = 0.5;
    o.norm_bias_lr_scale = 4;
    o.no_norm_decay = no_norm_decay;
    make_optimizer(p, o)->step();
    // 1 - lr * (gradient + decay * 1)
    const double plain = 1 - 0.125 * (0.25 + 0.5), without = 1 - 0.125 * 0.25;
    const double scaled = 1 - 4 * 0.125 * (0.25 + (no_norm_decay ? 0 : 0.5 / 4));
    const std::vector<double> want = {
        no_norm_decay ? without : plain, plain, no_norm_decay ? without : plain, scaled, plain,
        no_norm_decay ? without : plain};
    for (std::size_t i = 0; i < p.size(); ++i) {
      CAPTURE(p[i].name);
      CHECK(testing::all_close(p[i].tensor, {want[i]}));
    }
  }
}

TEST_CASE("parts of the network have factors of the learning rate") {
  const std::vector<NamedTensor> p = {one("stem.0.weight", {1, 1, 1, 1}), one("stage1.weight", {1}),
                                      one("stage1.bias", {1}), one("stage10.weight", {1, 1}),
                                      one("fc.weight", {1, 1})};
  RunOptions o;
  o.lr = 0.125;
  o.momentum = 0;
  o.weight_decay = 0.5;
  o.norm_bias_lr_scale = 4;
  o.lr_scale = {"fc=2", "stage1=0.5"};
  make_optimizer(p, o)->step();
  // 1 - lr * (gradient + decay * 1), the decay of the norm's bias by norm_bias_lr_scale alone
  const double plain = 1 - 0.125 * 0.75, twice = 1 - 0.25 * 0.75, half = 1 - 0.0625 * 0.75;
  const double bias = 1 - 4 * 0.0625 * (0.25 + 0.5 / 4);
  const std::vector<double> want = {plain, half, bias, plain, twice};
  for (std::size_t i = 0; i < p.size(); ++i) {
    CAPTURE(p[i].name);
    CHECK(testing::all_close(p[i].tensor, {want[i]}));
  }
}

TEST_CASE("factors that are none, of unknown parts or of one part twice are errors") {
  const auto rejects = [](std::vector<std::string> scales, const std::string& message) {
    RunOptions o;
    o.lr_scale = std::move(scales);
    CHECK_THROWS_WITH_AS(make_optimizer(parameters(), o), ("train: lr_scale: " + message).c_str(),
                         ValueError);
  };
  for (const std::string text : {"w", "w=", "w=ten", "w=1x", "w=0", "w=-1", "w=inf", "w=nan", ""}) {
    rejects({text},
            "expected a part of the network and a factor above 0, such as fc=10, got " + text);
  }
  rejects({"fc=1"}, "expected a part of the network (w, gamma), got fc=1");
  rejects({"w=1", "w=2"}, "expected each part once, got w twice");
}

TEST_CASE("the cycle of the rate has the defaults of its schedule") {
  RunOptions o;
  o.lr_scheduler = "triangular";
  CHECK_EQ(make_schedule(o, 5).rise_share, 0.2);
  CHECK_EQ(make_schedule(o, 5).start_factor, 0.2);
  CHECK_EQ(make_schedule(o, 5).end_factor, 0);
  o.lr_rise_share = 0.5;
  CHECK_EQ(make_schedule(o, 5).rise_share, 0.5);
  o.lr_scheduler = "onecycle";
  CHECK_EQ(make_schedule(o, 5).rise_share, 0.5);
  CHECK_EQ(make_schedule(o, 5).start_factor, 0.04);
  CHECK_EQ(make_schedule(o, 5).end_factor, 4e-6);
}

TEST_CASE("the cosine ends at min_lr, which is no more than lr") {
  RunOptions o;
  o.epochs = 4;
  o.lr = 0.5;
  o.min_lr = 0.1;
  const ScheduleOptions schedule = make_schedule(o, 5);
  CHECK_EQ(learning_rate(schedule, 0), 0.5);
  CHECK_EQ(learning_rate(schedule, 10), doctest::Approx(0.3).epsilon(1e-12));
  // min + (lr - min) (1 + cos(pi 19 / 20)) / 2
  CHECK_EQ(learning_rate(schedule, 19), doctest::Approx(0.10246233188097247).epsilon(1e-12));
  o.min_lr = 0.6;
  CHECK_THROWS_WITH_AS(make_schedule(o, 5),
                       "schedule: min_lr: expected a number in [0, base_lr = 0.5], got 0.6",
                       ValueError);
}

TEST_CASE("the momentum of the schedule starts from that of the optimiser") {
  RunOptions o;
  o.momentum = 0.7;
  o.beta1 = 0.8;
  CHECK_EQ(base_momentum(o), 0.7);
  o.optimizer = "adamw";
  CHECK_EQ(base_momentum(o), 0.8);
}

TEST_CASE("the schedule spans all epochs, wherever max_steps ends the run") {
  RunOptions o;
  o.epochs = 4;
  o.max_steps = 7;
  o.lr = 0.5;
  const ScheduleOptions schedule = make_schedule(o, 5);
  CHECK_EQ(schedule.total_steps, 20);
  CHECK_EQ(schedule.steps_per_epoch, 5);
  CHECK_EQ(schedule.base_lr, 0.5);
  CHECK_EQ(schedule.base_momentum, 0.9);
  o.momentum = 0;  // nothing to cycle
  CHECK_EQ(make_schedule(o, 5).momentum_cycle, 0);
  o.lr_scheduler = "unknown";
  CHECK_THROWS_AS(make_schedule(o, 5), ValueError);
}

TEST_CASE("a setting of the other optimiser is an error, as is an unknown one") {
  const auto rejects = [](const std::string& name, auto change) {
    RunOptions o;
    o.optimizer = name;
    CHECK(make_optimizer(parameters(), o) != nullptr);
    change(o);
    CHECK_THROWS_AS(make_optimizer(parameters(), o), ValueError);
  };
  rejects("adamw", [](RunOptions& o) { o.nesterov = true; });
  rejects("adamw", [](RunOptions& o) { o.momentum = 0.5; });
  rejects("adamw", [](RunOptions& o) { o.dampening = 0.5; });
  rejects("sgd", [](RunOptions& o) { o.beta1 = 0.5; });
  rejects("sgd", [](RunOptions& o) { o.beta2 = 0.5; });
  rejects("sgd", [](RunOptions& o) { o.eps = 0.5; });
  RunOptions o;
  o.optimizer = "adam";
  CHECK_THROWS_WITH_AS(make_optimizer(parameters(), o),
                       "train: optimizer: expected sgd or adamw, got adam", ValueError);
}

}  // namespace
}  // namespace resgrad
