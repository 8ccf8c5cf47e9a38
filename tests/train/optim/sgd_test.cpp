// Updates against numbers worked out in the comments, for float32 and float64.
#include "train/optim/sgd.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/compare.h"

namespace resgrad {
namespace {

using testing::all_close;

// A parameter of `values` under `name`.
NamedTensor parameter(const std::string& name, const std::vector<double>& values,
                      DType dtype = DType::float64) {
  Tensor t = Tensor::from(values, {std::ssize(values)});
  Tensor p = Tensor::empty(t.shape(), dtype);
  visit_floating(dtype, "test", [&]<class T>() {
    for (std::size_t i = 0; i < values.size(); ++i) p.data<T>()[i] = static_cast<T>(values[i]);
  });
  p.set_requires_grad();
  return {name, p};
}

void set_grad(Tensor t, double value) {
  t.set_grad(Tensor::full(t.shape(), value, t.dtype(), t.memory_format()));
}

// The values of w = 1 after a step with gradient 0.5 and another with 0.25, at lr 0.1.
std::vector<double> two_steps(SgdOptions options, DType dtype) {
  NamedTensor p = parameter("w", {1.0}, dtype);
  options.lr = 0.1;
  Sgd sgd({p}, options);
  std::vector<double> w;
  for (double grad : {0.5, 0.25}) {
    set_grad(p.tensor, grad);
    sgd.step();
    w.push_back(p.tensor.item());
  }
  return w;
}

void check_two_steps(const SgdOptions& options, double after_first, double after_second) {
  for (DType dtype : {DType::float64, DType::float32}) {
    CAPTURE(name(dtype));
    const double tolerance = dtype == DType::float64 ? 1e-14 : 1e-6;
    const std::vector<double> w = two_steps(options, dtype);
    CHECK_LT(std::abs(w[0] - after_first), tolerance);
    CHECK_LT(std::abs(w[1] - after_second), tolerance);
  }
}

TEST_CASE("sgd steps against the gradient") {
  // 1 - 0.1 * 0.5 = 0.95; 0.95 - 0.1 * 0.25 = 0.925
  check_two_steps({}, 0.95, 0.925);
}

TEST_CASE("sgd adds the weight decay to the gradient") {
  // g = 0.5 + 0.1 * 1 = 0.6, w = 0.94; g = 0.25 + 0.094 = 0.344, w = 0.94 - 0.0344
  check_two_steps({.weight_decay = 0.1}, 0.94, 0.9056);
}

TEST_CASE("sgd with momentum starts with v = g") {
  // v = 0.5, w = 0.95; v = 0.9 * 0.5 + 0.25 = 0.7, w = 0.95 - 0.07
  check_two_steps({.momentum = 0.9}, 0.95, 0.88);
}

TEST_CASE("dampening holds from the second step on") {
  // v = 0.5, w = 0.95; v = 0.9 * 0.5 + 0.5 * 0.25 = 0.575, w = 0.95 - 0.0575
  check_two_steps({.momentum = 0.9, .dampening = 0.5}, 0.95, 0.8925);
  // without momentum it has no effect
  check_two_steps({.dampening = 0.5}, 0.95, 0.925);
}

TEST_CASE("Nesterov's step looks ahead") {
  // v = 0.5, step 0.5 + 0.9 * 0.5 = 0.95, w = 0.905; v = 0.7, step 0.25 + 0.63, w = 0.905 - 0.088
  check_two_steps({.momentum = 0.9, .nesterov = true}, 0.905, 0.817);
  // decay 0.1: g = v = 0.6, step 1.14, w = 0.886; g = 0.25 + 0.0886 = 0.3386,
  // v = 0.54 + 0.3386 = 0.8786, step 0.3386 + 0.79074 = 1.12934, w = 0.886 - 0.112934
  check_two_steps({.momentum = 0.9, .weight_decay = 0.1, .nesterov = true}, 0.886, 0.773066);
}

TEST_CASE("the velocity excludes the learning rate") {
  NamedTensor p = parameter("w", {1.0});
  Sgd sgd({p}, {.lr = 0.1, .momentum = 0.5});
  set_grad(p.tensor, 1);
  sgd.step();  // v = 1, w = 0.9
  sgd.set_lr(0.01);
  CHECK_EQ(sgd.lr(), 0.01);
  sgd.step();  // v = 1.5, w = 0.9 - 0.015
  CHECK(all_close(p.tensor, {0.885}, 1e-15));
}

TEST_CASE("a parameter without a gradient is left alone") {
  NamedTensor a = parameter("a", {1.0}), b = parameter("b", {1.0});
  Sgd sgd({a, b}, {.momentum = 0.9, .weight_decay = 0.1});
  set_grad(a.tensor, 1);
  sgd.step();
  CHECK(all_close(a.tensor, {1 - 0.11}, 1e-15));
  CHECK(all_close(b.tensor, {1.0}));
  REQUIRE_EQ(sgd.state().size(), 1);
  CHECK_EQ(sgd.state()[0].name, "a");
  sgd.zero_grad();
  CHECK_FALSE(a.tensor.grad().defined());
  sgd.step();
  CHECK(all_close(a.tensor, {1 - 0.11}, 1e-15));
}

TEST_CASE("groups have their own decay and scale") {
  NamedTensor a = parameter("a", {1.0}), b = parameter("b", {1.0});
  Sgd sgd({ParameterGroup{.parameters = {a}, .lr_scale = 1},
           ParameterGroup{.parameters = {b}, .lr_scale = 0.5, .weight_decay = 0}},
          {.lr = 0.1, .weight_decay = 1});
  set_grad(a.tensor, 1);
  set_grad(b.tensor, 1);
  sgd.step();
  CHECK(all_close(a.tensor, {0.8}, 1e-15));   // 1 - 0.1 * (1 + 1 * 1)
  CHECK(all_close(b.tensor, {0.95}, 1e-15));  // 1 - 0.05 * 1
}

TEST_CASE("a gradient in another memory format reaches the right elements") {
  std::vector<double> values(24);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  Tensor grad = Tensor::from(values, {2, 3, 2, 2});
  Tensor w = Tensor::zeros({2, 3, 2, 2}, DType::float64, MemoryFormat::channels_last);
  w.set_requires_grad();
  w.set_grad(grad);
  Sgd({NamedTensor{"w", w}}, {.lr = 1, .momentum = 0.9}).step();
  for (double& v : values) v = -v;
  CHECK(all_close(w, values));
}

TEST_CASE("a step is seen as a change in place, and works on many elements") {
  Tensor w = Tensor::ones({100'003});
  w.set_requires_grad();
  set_grad(w, 2);
  const std::uint64_t before = w.version();
  Sgd sgd({NamedTensor{"w", w}}, {.lr = 0.25, .momentum = 0.5});
  sgd.step();
  CHECK_GT(w.version(), before);
  CHECK(all_close(w, std::vector<double>(100'003, 0.5)));
}

TEST_CASE("load_state copies, and forgets what is not in the state") {
  NamedTensor p = parameter("w", {1.0});
  Sgd sgd({p}, {.lr = 0.1, .momentum = 0.9});
  Tensor velocity = Tensor::full({1}, 2, DType::float64);
  sgd.load_state({{"w", velocity}});
  velocity.fill_(100);
  set_grad(p.tensor, 1);
  sgd.step();  // v = 0.9 * 2 + 1 = 2.8
  CHECK(all_close(p.tensor, {0.72}, 1e-15));
  sgd.load_state({});
  CHECK(sgd.state().empty());
  sgd.step();  // v = 1
  CHECK(all_close(p.tensor, {0.62}, 1e-15));
}

TEST_CASE("set_momentum acts at the next step") {
  NamedTensor p = parameter("w", {1.0});
  Sgd sgd({p}, {.lr = 0.1, .momentum = 0.9});
  set_grad(p.tensor, 1);
  sgd.step();  // v = 1, w = 0.9
  sgd.set_momentum(0.5);
  sgd.step();  // v = 1.5
  CHECK(all_close(p.tensor, {0.75}, 1e-15));
}

TEST_CASE("load_state rejects velocities that do not fit and changes nothing") {
  NamedTensor p = parameter("w", {1.0});
  Sgd sgd({p}, {.momentum = 0.9});
  const Tensor good = Tensor::full({1}, 2, DType::float64);
  sgd.load_state({{"w", good}});
  CHECK_THROWS_WITH_AS(
      sgd.load_state({{"w", Tensor::zeros({2})}, {"u", good}}),
      "sgd: state: expected tensors that fit the parameters, got: w is float32 [2] in the place of "
      "float64 [1]; u is not known",
      ValueError);
  CHECK_THROWS_AS(sgd.load_state({{"w", good}, {"w", good}}), ValueError);
  CHECK_THROWS_AS(sgd.load_state({{"w", Tensor()}}), ValueError);
  CHECK(all_close(sgd.state().at(0).tensor, {2.0}));
  CHECK_THROWS_AS(Sgd({p}, SgdOptions{}).load_state({{"w", good}}), ValueError);
}

TEST_CASE("sgd rejects options out of range") {
  const std::vector<NamedTensor> p{parameter("w", {1.0})};
  CHECK_THROWS_WITH_AS(Sgd(p, {.lr = -1}),
                       "sgd: lr: expected a finite number of at least 0, got -1", ValueError);
  CHECK_THROWS_AS(Sgd(p, {.lr = std::nan("")}), ValueError);
  CHECK_THROWS_AS(Sgd(p, {.momentum = -0.1}), ValueError);
  CHECK_THROWS_AS(Sgd(p, {.dampening = -0.1}), ValueError);
  CHECK_THROWS_AS(Sgd(p, {.weight_decay = -0.1}), ValueError);
  CHECK_THROWS_AS(Sgd(p, {.nesterov = true}), ValueError);
  CHECK_THROWS_WITH_AS(
      Sgd(p, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}),
      "sgd: nesterov: expected momentum above 0 and dampening 0, got momentum 0.9 and dampening "
      "0.1",
      ValueError);
  Sgd sgd(p, {});
  CHECK_THROWS_AS(sgd.set_lr(-0.1), ValueError);
  CHECK_THROWS_AS(sgd.set_lr(INFINITY), ValueError);
  CHECK_THROWS_WITH_AS(sgd.set_momentum(0.5),
                       "sgd: momentum: expected 0 as at construction, got 0.5", ValueError);
  Sgd with_velocity(p, {.momentum = 0.9});
  CHECK_THROWS_AS(with_velocity.set_momentum(0), ValueError);
  CHECK_THROWS_AS(with_velocity.set_momentum(NAN), ValueError);
}

TEST_CASE("sgd rejects parameters that it cannot update") {
  const NamedTensor p = parameter("w", {1.0});
  using Groups = std::vector<ParameterGroup>;
  CHECK_THROWS_AS(Sgd(Groups{}, {}), ValueError);
  CHECK_THROWS_AS(Sgd(std::vector<NamedTensor>{}, {}), ValueError);
  CHECK_THROWS_WITH_AS(Sgd({p, p}, {}), "sgd: w: expected each parameter once, got it twice",
                       ValueError);
  CHECK_THROWS_AS(Sgd({p, NamedTensor{"other name", p.tensor}}, {}), ValueError);
  CHECK_THROWS_AS(Sgd({p, parameter("w", {2.0})}, {}), ValueError);
  CHECK_THROWS_AS(Sgd({NamedTensor{"w", Tensor()}}, {}), ValueError);
  CHECK_THROWS_AS(Sgd({NamedTensor{"w", Tensor::zeros({1}, DType::int64)}}, {}), ValueError);
  CHECK_THROWS_AS(Sgd({NamedTensor{"w", p.tensor.sum()}}, {}), ValueError);
  CHECK_THROWS_AS(Sgd(Groups{{.parameters = {p}, .lr_scale = -1}}, {}), ValueError);
  CHECK_THROWS_AS(Sgd(Groups{{.parameters = {p}, .weight_decay = -1}}, {}), ValueError);
}

TEST_CASE("sgd reports a parameter that changed its dtype") {
  NamedTensor p = parameter("w", {1.0});
  Sgd sgd({p}, {.momentum = 0.9});
  set_grad(p.tensor, 1);
  sgd.step();
  p.tensor.set_data(Tensor::ones({1}));
  set_grad(p.tensor, 1);
  CHECK_THROWS_AS(sgd.step(), StateError);
  CHECK(all_close(p.tensor, {1.0}));
}

}  // namespace
}  // namespace resgrad
