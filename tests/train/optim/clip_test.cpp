#include "train/optim/clip.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/allocator.h"
#include "core/check.h"

using namespace resgrad;

namespace {

std::vector<NamedTensor> parameters_with_gradients(DType dtype) {
  std::vector<NamedTensor> parameters;
  for (const auto& gradient : {std::vector{3.0, 0.0}, std::vector{-4.0, 12.0}}) {
    Tensor p = Tensor::zeros({2}, dtype).set_requires_grad();
    p.set_grad(Tensor::from(gradient, {2}).to(dtype));
    parameters.push_back({fmt::format("p{}", parameters.size()), p});
  }
  parameters.push_back({"unused", Tensor::zeros({2}, dtype).set_requires_grad()});
  return parameters;
}

}  // namespace

TEST_CASE("gradients are scaled to the norm when theirs is larger") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    const auto parameters = parameters_with_gradients(dtype);
    CHECK(clip_grad_norm(parameters, 6.5) == 13);  // sqrt(9 + 16 + 144)
    const std::vector<double> first = parameters[0].tensor.grad().to_vector<double>();
    const std::vector<double> second = parameters[1].tensor.grad().to_vector<double>();
    CHECK(first[0] == doctest::Approx(1.5).epsilon(1e-6));
    CHECK(first[1] == 0);
    CHECK(second[0] == doctest::Approx(-2).epsilon(1e-6));
    CHECK(second[1] == doctest::Approx(6).epsilon(1e-6));
    CHECK_FALSE(parameters[2].tensor.grad().defined());
    CHECK(clip_grad_norm(parameters, 100) == doctest::Approx(6.5).epsilon(1e-6));
  }
}

TEST_CASE("smaller gradients stay bit for bit") {
  const auto parameters = parameters_with_gradients(DType::float32);
  const std::uint64_t version = parameters[0].tensor.grad().version();
  CHECK(clip_grad_norm(parameters, 13.1) == 13);
  CHECK(parameters[1].tensor.grad().to_vector<double>() == std::vector{-4.0, 12.0});
  CHECK(parameters[0].tensor.grad().version() == version);
  clip_grad_norm(parameters, 1);
  CHECK(parameters[0].tensor.grad().version() == version + 1);
}

TEST_CASE("clipping works in place") {
  const auto parameters = parameters_with_gradients(DType::float32);
  reset_peak_memory();
  const std::size_t before = allocator_stats().bytes_in_use;
  clip_grad_norm(parameters, 1);
  CHECK(allocator_stats().peak_bytes_in_use == before);
}

TEST_CASE("a norm that is no limit, and gradients that are not finite, are errors") {
  const auto parameters = parameters_with_gradients(DType::float32);
  for (const double max : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_AS(clip_grad_norm(parameters, max), ValueError);
  }
  parameters[1].tensor.grad().fill_(INFINITY);
  CHECK_THROWS_AS(clip_grad_norm(parameters, 1), StateError);
  CHECK(parameters[0].tensor.grad().to_vector<double>() == std::vector{3.0, 0.0});
}
