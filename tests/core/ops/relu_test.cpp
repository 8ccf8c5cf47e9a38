#include "core/ops/relu.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/ops/arithmetic.h"
#include "tests/support/compare.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("relu and its gradient by hand") {
  const Tensor x = tensor_of({-2, 0, 3, -0.0}, {4}).set_requires_grad();
  const Tensor y = relu(x);
  CHECK(all_close(y, {0, 0, 3, 0}));
  y.backward(tensor_of({1, 2, 3, 4}, {4}));
  CHECK(all_close(x.grad(), {0, 0, 3, 0}));
}

TEST_CASE("relu passes NaN on") {
  const Tensor y = relu(tensor_of({NAN, -1, NAN}, {3}));
  CHECK(all_close(y, {NAN, 0, NAN}));
}

TEST_CASE("relu keeps shape, dtype and memory format") {
  CHECK(rc::check("any tensor", [] {
    const Shape shape = pick_shape(4);
    const Tensor x = random_tensor(shape, pick_seed(), pick_dtype(), pick_format());
    const Tensor y = relu(x);
    RC_ASSERT(y.memory_format() == x.memory_format());
    std::vector<double> want = x.to_vector<double>();
    for (double& v : want) v = v > 0 ? v : 0;
    expect(all_close(y, tensor_of(want, shape)));
  }));
}

TEST_CASE("relu rejects labels") {
  CHECK_THROWS_WITH_AS(relu(Tensor::zeros({2}, DType::int64)),
                       "relu: dtype: expected float32 or float64, got int64", ValueError);
}
