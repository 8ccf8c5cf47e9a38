#include "core/ops/adapt.h"

#include <doctest/doctest.h>

#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("an adapted tensor is indexed in logical order in both memory formats") {
  const Tensor t = random_tensor({2, 3, 4, 5}, 1);
  for (MemoryFormat format : {MemoryFormat::contiguous, MemoryFormat::channels_last}) {
    const Tensor other = t.detach(format);
    const xt::xarray<double> x = adapt<double>(other);
    CHECK(std::vector<double>(x.begin(), x.end()) == t.to_vector<double>());
    CHECK(x(1, 2, 3, 4) == t.to_vector<double>().back());
  }
}

TEST_CASE("an adapted tensor writes through") {
  Tensor t = Tensor::zeros({1, 2, 1, 2}, DType::float32, MemoryFormat::channels_last);
  auto x = adapt<float>(t);
  x(0, 1, 0, 0) = 5;
  CHECK(t.to_vector<float>() == std::vector<float>{0, 0, 5, 0});
  CHECK(t.data<float>()[1] == 5);
}

TEST_CASE("scalars and empty tensors adapt") {
  const Tensor scalar = Tensor::scalar(3, DType::float64), empty = Tensor::zeros({0, 2});
  const xt::xarray<double> x = adapt<double>(scalar);
  CHECK(x.dimension() == 0);
  CHECK(x() == 3);
  const xt::xarray<float> y = adapt<float>(empty);
  CHECK(y.size() == 0);
  CHECK(y.dimension() == 2);
}
