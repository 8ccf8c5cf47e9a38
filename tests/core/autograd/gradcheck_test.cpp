#include "core/autograd/gradcheck.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd/node.h"
#include "core/ops/arithmetic.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

// y = x * x with a gradient of 2 x * factor, plus `extra` at element `at`.
struct WrongSquareNode final : Node {
  WrongSquareNode(const Tensor& x, double factor, std::int64_t at, double extra)
      : x_(x), factor_(factor), at_(at), extra_(extra) {}
  const char* name() const override { return "wrong_square"; }
  std::vector<SavedTensor*> saved() override { return {&x_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    Tensor dx = mul(mul(x_.get(*this), dy), 2 * factor_);
    dx.data<double>()[at_] += extra_;
    return {dx};
  }
  SavedTensor x_;
  double factor_;
  std::int64_t at_;
  double extra_;
};

Tensor wrong_square(const Tensor& x, double factor, std::int64_t at, double extra) {
  return record<WrongSquareNode>(mul(x.detach(), x.detach()), {{"x", x}}, x, factor, at, extra);
}

}  // namespace

TEST_CASE("gradcheck accepts a right gradient and counts every element of every input") {
  const auto f = [](const std::vector<Tensor>& x) { return mul(exp(x[0]), x[1]); };
  const GradcheckResult result = gradcheck(f, {random_tensor({2, 3}, 1), random_tensor({3}, 2)});
  CHECK_MESSAGE(result.ok, result.explain());
  CHECK(result.checked == 9);
  CHECK(result.max_rel_error < 1e-6);
}

TEST_CASE("gradcheck rejects a gradient that is off by one part in ten thousand") {
  const auto f = [](const std::vector<Tensor>& x) { return wrong_square(x[0], 1.0001, 0, 0); };
  const GradcheckResult result = gradcheck(f, {random_tensor({5}, 1)});
  CHECK_FALSE(result.ok);
  CHECK(result.max_rel_error == doctest::Approx(1e-4).epsilon(0.01));
}

TEST_CASE("gradcheck can judge float32 by float64") {
  const auto f = [](const std::vector<Tensor>& x) { return mul(exp(x[0]), x[1]); };
  const std::vector<Tensor> inputs{random_tensor({2, 3}, 1), random_tensor({3}, 2)};
  const GradcheckResult result =
      gradcheck(f, inputs, {.rtol = 1e-5, .analytic_dtype = DType::float32});
  CHECK_MESSAGE(result.ok, result.explain());
  CHECK(result.max_rel_error > 1e-8);  // it was float32
  CHECK(inputs[0].dtype() == DType::float64);
  CHECK_FALSE(inputs[0].requires_grad());
}

TEST_CASE("gradcheck names the worst element") {
  const auto f = [](const std::vector<Tensor>& x) {
    return add(x[0].sum(), wrong_square(x[1], 1, 3, 0.5));
  };
  const GradcheckResult result = gradcheck(f, {random_tensor({2}, 1), random_tensor({5}, 2)});
  CHECK_FALSE(result.ok);
  CHECK(result.input == 1);
  CHECK(result.index == 3);
  CHECK(result.analytic - result.numeric == doctest::Approx(0.5));
  CHECK(result.explain().starts_with("WRONG: 7 elements, largest relative error"));
  CHECK(result.explain().find("at input 1 element 3: analytic") != std::string::npos);
}

TEST_CASE("gradcheck rejects NaN") {
  const auto f = [](const std::vector<Tensor>& x) { return wrong_square(x[0], 1, 2, NAN); };
  CHECK_FALSE(gradcheck(f, {random_tensor({5}, 1)}).ok);
}

TEST_CASE("gradcheck rejects an operation that forgets an input") {
  const auto f = [](const std::vector<Tensor>& x) { return mul(x[0], x[1].detach()); };
  const GradcheckResult result = gradcheck(f, {random_tensor({3}, 1), random_tensor({3}, 2)});
  CHECK_FALSE(result.ok);
  CHECK(result.input == 1);
  CHECK(result.analytic == 0);
}

TEST_CASE("gradcheck leaves its inputs alone and reports every change in place") {
  const Tensor x = random_tensor({3}, 1);
  const Tensor copy = x.clone();
  std::vector<std::uint64_t> versions;
  const auto f = [&](const std::vector<Tensor>& xs) {
    versions.push_back(xs[0].version());
    return mul(xs[0], xs[0]);
  };
  CHECK(gradcheck(f, {x}).ok);
  CHECK(x.to_vector<double>() == copy.to_vector<double>());
  CHECK_FALSE(x.requires_grad());
  // caches that are keyed by version, such as packed weights, must see each new value; the first
  // two calls are for the value and the analytic gradient
  REQUIRE(versions.size() == 8);
  for (std::size_t i = 2; i < versions.size(); ++i) CHECK(versions[i] > versions[i - 1]);
}

TEST_CASE("gradcheck in float32 works with a large step for a linear function") {
  const auto f = [](const std::vector<Tensor>& x) { return mul(x[0], 3); };
  const GradcheckResult result =
      gradcheck(f, {random_tensor({4}, 1, DType::float32)}, {.h = 0.5, .rtol = 1e-5});
  CHECK_MESSAGE(result.ok, result.explain());
}
