#include "core/ops/arithmetic.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd/node.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

// A shape that broadcasts with `shape`: some sizes 1, some leading axes dropped.
Shape pick_partner(const Shape& shape) {
  Shape partner(shape.begin() + pick(0, static_cast<std::int64_t>(shape.size())), shape.end());
  for (std::int64_t& d : partner) d = pick(0, 2) == 0 ? 1 : d;
  return partner;
}

MemoryFormat format_for(const Shape& shape) {
  return shape.size() == 4 ? pick_format() : MemoryFormat::contiguous;
}

}  // namespace

TEST_CASE("binary operations broadcast as the naive loops") {
  CHECK(rc::check("all shapes, formats and dtypes, both orders", [] {
    Shape a_shape = pick_shape(pick(0, 5), 4), b_shape = pick_partner(a_shape);
    for (std::int64_t& d : a_shape) d = pick(0, 5) == 0 && b_shape.size() <= 1 ? 1 : d;
    if (pick_bool()) std::swap(a_shape, b_shape);
    const DType dtype = pick_dtype();
    const Tensor a = random_tensor(a_shape, pick_seed(), dtype, format_for(a_shape), 0.5, 2);
    const Tensor b = random_tensor(b_shape, pick_seed(), dtype, format_for(b_shape), 0.5, 2);
    const double tolerance = dtype == DType::float32 ? 1e-6 : 1e-14;
    const auto same = [&](const Tensor& y, auto f) {
      RC_ASSERT(y.dtype() == dtype);
      expect(all_close(y, naive_broadcast(a, b, f), tolerance));
    };
    try {
      broadcast_shapes("", a_shape, b_shape);
    } catch (const ShapeError&) {
      RC_DISCARD("shapes that do not fit");
    }
    same(add(a, b), [](double x, double y) { return x + y; });
    same(sub(a, b), [](double x, double y) { return x - y; });
    same(mul(a, b), [](double x, double y) { return x * y; });
    same(div(a, b), [](double x, double y) { return x / y; });
    same(pow(a, b), [](double x, double y) { return std::pow(x, y); });
  }));
}

TEST_CASE("the gradient of broadcasting is the sum over the broadcast axes") {
  CHECK(rc::check("all shapes and formats", [] {
    const Shape shape = pick_shape(pick(0, 4), 4), own = pick_partner(shape);
    const Tensor t = random_tensor(shape, pick_seed(), DType::float64, format_for(shape));
    const Tensor got = sum_to_shape(t, own);
    // as an adjoint: <t, broadcast(v)> == <sum_to_shape(t), v>
    const Tensor v = random_tensor(own, pick_seed());
    const Array wide = naive_broadcast(v, Tensor::zeros(shape, DType::float64),
                                       [](double x, double) { return x; });
    RC_ASSERT(got.shape() == own);
    RC_ASSERT(std::abs(dot(got, v) - dot(t, tensor_of(wide.values, shape))) < 1e-12);
  }));
}

TEST_CASE("operations keep a common memory format") {
  const Tensor a = random_tensor({2, 3, 4, 5}, 1, DType::float32, kChannelsLast);
  const Tensor b = random_tensor({1, 3, 1, 1}, 2, DType::float32, kChannelsLast);
  CHECK(add(a, a).memory_format() == kChannelsLast);
  CHECK(add(a, b).memory_format() == kChannelsLast);
  CHECK(mul(a, 2).memory_format() == kChannelsLast);
  CHECK((2 * a).memory_format() == kChannelsLast);
  CHECK((2 - a).memory_format() == kChannelsLast);
  CHECK((2 / a).memory_format() == kChannelsLast);
  CHECK(exp(a).memory_format() == kChannelsLast);
  CHECK(mul(a, b.detach(MemoryFormat::contiguous)).memory_format() == kChannelsLast);
  CHECK(sub(tensor_of({1, 2, 3, 4, 5}, {5}, DType::float32), a).memory_format() == kChannelsLast);
  CHECK(add(a.detach(MemoryFormat::contiguous), b).memory_format() == MemoryFormat::contiguous);
  CHECK(add(a, a.detach(MemoryFormat::contiguous)).memory_format() == MemoryFormat::contiguous);
}

TEST_CASE("scalars take the dtype of the tensor") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor x = tensor_of({1, 2, 4}, {3}, dtype);
    CHECK((x + 1).dtype() == dtype);
    CHECK(all_close(x + 1, {2, 3, 5}));
    CHECK(all_close(1 + x, {2, 3, 5}));
    CHECK(all_close(x - 1, {0, 1, 3}));
    CHECK(all_close(1 - x, {0, -1, -3}));
    CHECK(all_close(x * 3, {3, 6, 12}));
    CHECK(all_close(3 * x, {3, 6, 12}));
    CHECK(all_close(x / 2, {0.5, 1, 2}));
    CHECK(all_close(2 / x, {2, 1, 0.5}));
    CHECK(all_close(-x, {-1, -2, -4}));
    CHECK(all_close(pow(x, 2), {1, 4, 16}));
  }
}

TEST_CASE("exp, log and sqrt agree with the standard library and give NaN outside their domain") {
  const Tensor x = random_tensor({3, 5}, 1, DType::float64, MemoryFormat::contiguous, 0.1, 3);
  std::vector<double> e, l, s;
  for (double v : x.to_vector<double>()) {
    e.push_back(std::exp(v)), l.push_back(std::log(v)), s.push_back(std::sqrt(v));
  }
  CHECK(all_close(exp(x), e, 1e-15));
  CHECK(all_close(log(x), l, 1e-15));
  CHECK(all_close(sqrt(x), s, 1e-15));
  CHECK(all_close(log(tensor_of({-1, 0}, {2})), {NAN, -INFINITY}));
  CHECK(all_close(sqrt(tensor_of({-1, 0}, {2})), {NAN, 0}));
}

TEST_CASE("eq is 1 where both are the same number, with broadcasting and without a gradient") {
  const Tensor x = tensor_of({1, 2, NAN, 4, 1, 1}, {2, 3}).set_requires_grad();
  const Tensor y = eq(x, tensor_of({1, 2, NAN}, {3}));
  CHECK(all_close(y, {1, 1, 0, 0, 0, 0}));
  CHECK_FALSE(y.requires_grad());
  CHECK_THROWS_AS(eq(x, tensor_of({1, 2}, {2})), ShapeError);
}

TEST_CASE("pow is defined for negative bases and its gradient is finite at zero") {
  const Tensor x = tensor_of({-2, 0, 3}, {3}).set_requires_grad();
  const Tensor y = pow(x, 2);
  CHECK(all_close(y, {4, 0, 9}));
  y.sum().backward();
  CHECK(all_close(x.grad(), {-4, 0, 6}));

  for (double exponent : {0.0, 1.0, 2.0, 3.0, 2.5}) {
    CAPTURE(exponent);
    const Tensor t = tensor_of({0.5, 2, 3}, {3}).set_requires_grad();
    const Tensor u = tensor_of({0.5, 2, 3}, {3}).set_requires_grad();
    pow(t, exponent).sum().backward();
    pow(u, tensor_of({exponent}, {1})).sum().backward();
    CHECK(
        all_close(pow(t, exponent), pow(u, tensor_of({exponent}, {1})).to_vector<double>(), 1e-14));
    CHECK(all_close(t.grad(), u.grad().to_vector<double>(), 1e-14));
  }

  const Tensor base = tensor_of({0, 0, 2}, {3}).set_requires_grad();
  const Tensor exponent = tensor_of({0, 2, 3}, {3}).set_requires_grad();
  const Tensor z = pow(base, exponent);
  CHECK(all_close(z, {1, 0, 8}));
  z.sum().backward();
  CHECK(all_close(base.grad(), {0, 0, 12}));
  CHECK(all_close(exponent.grad(), {0, 0, 8 * std::log(2)}, 1e-14));
}

TEST_CASE("NaN passes through arithmetic") {
  const Tensor x = tensor_of({NAN, 1}, {2}), one = tensor_of({1}, {1});
  for (const Tensor& y : {add(x, one), sub(one, x), mul(x, one), div(x, one), add(x, x)}) {
    CHECK(std::isnan(y.to_vector<double>()[0]));
    CHECK_FALSE(std::isnan(y.to_vector<double>()[1]));
  }
}

TEST_CASE("empty tensors pass through arithmetic and back") {
  const Tensor x = Tensor::zeros({0, 3}, DType::float64).set_requires_grad();
  const Tensor b = tensor_of({1, 2, 3}, {3}).set_requires_grad();
  const Tensor y = mul(add(x, b), exp(x));
  CHECK(y.shape() == Shape{0, 3});
  y.sum().backward();
  CHECK(x.grad().shape() == Shape{0, 3});
  CHECK(all_close(b.grad(), {0, 0, 0}));
}

TEST_CASE("binary operations reject shapes and dtypes that do not fit") {
  const Tensor a = Tensor::zeros({2, 3}), b = Tensor::zeros({4});
  const auto message = [](const char* op) {
    return fmt::format("{}: shapes: expected sizes that are equal or 1, got [2, 3] and [4]", op);
  };
  CHECK_THROWS_WITH_AS(add(a, b), message("add").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(sub(a, b), message("sub").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(mul(a, b), message("mul").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(div(a, b), message("div").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(pow(a, b), message("pow").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(add(a, Tensor::zeros({2, 3}, DType::float64)),
                       "add: dtypes: expected two equal floating dtypes, got float32 and float64",
                       ValueError);
  const Tensor labels = Tensor::zeros({2, 3}, DType::int64);
  CHECK_THROWS_WITH_AS(mul(labels, labels),
                       "mul: dtypes: expected two equal floating dtypes, got int64 and int64",
                       ValueError);
  CHECK_THROWS_WITH_AS(exp(labels), "exp: dtype: expected float32 or float64, got int64",
                       ValueError);
  CHECK_THROWS_AS(log(labels), ValueError);
  CHECK_THROWS_AS(sqrt(labels), ValueError);
}

TEST_CASE("a product keeps of each operand what the gradient of the other takes") {
  const Tensor a = Tensor::ones({3, 4}).set_requires_grad(), b = Tensor::ones({3, 1});
  const Tensor c = Tensor::ones({4}).set_requires_grad();
  CHECK((a * b).grad_fn()->saved_bytes() == 3 * 4);
  CHECK((b * c).grad_fn()->saved_bytes() == 3 * 4);
  CHECK((a * c).grad_fn()->saved_bytes() == (12 + 4) * 4);
  CHECK((-a).grad_fn()->saved_bytes() == 4);
}
