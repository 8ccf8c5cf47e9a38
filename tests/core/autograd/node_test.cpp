#include "core/autograd/node.h"

#include <doctest/doctest.h>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "core/ops/conv2d.h"
#include "core/ops/relu.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("an operation is recorded only when an input requires a gradient") {
  const Tensor a = Tensor::ones({2}), b = Tensor::ones({2}).set_requires_grad();
  CHECK_FALSE(add(a, a).requires_grad());
  CHECK(add(a, a).is_leaf());
  const Tensor y = add(a, b);
  REQUIRE(y.requires_grad());
  CHECK_FALSE(y.is_leaf());
  CHECK(std::string_view(y.grad_fn()->name()) == "add");
  CHECK(y.grad_fn()->inputs.size() == 2);
  CHECK_FALSE(y.grad_fn()->needs_grad(0));
  CHECK(y.grad_fn()->needs_grad(1));
}

TEST_CASE("detach cuts the history") {
  const Tensor x = Tensor::full({1}, 3, DType::float64).set_requires_grad();
  const Tensor y = mul(x, x);
  const Tensor cut = y.detach();
  CHECK_FALSE(cut.requires_grad());
  CHECK(cut.bytes() == y.bytes());
  mul(x, cut).backward();  // d(x * c)/dx = c = 9
  CHECK(x.grad().item() == 9);
}

TEST_CASE("a saved tensor that changes in place is an error that names the operation") {
  Tensor a = Tensor::ones({2, 3});
  const Tensor b = Tensor::ones({2, 3}).set_requires_grad();
  const Tensor y = mul(a, b).sum();
  a.fill_(2);
  CHECK_THROWS_WITH_AS(y.backward(),
                       "backward of mul: a tensor of shape [2, 3] that it saved was changed in "
                       "place afterwards (version 2, saved at 1)",
                       StateError);
}

TEST_CASE("the version is checked for results that were saved, through views and for parameters") {
  const Tensor x = Tensor::ones({2}).set_requires_grad();
  Tensor y = relu(x);
  const Tensor loss = y.sum();
  y.detach().fill_(3);  // the same storage
  CHECK_THROWS_AS(loss.backward(), StateError);

  Tensor w = random_tensor({2, 2, 3, 3}, 1).set_requires_grad();
  const Tensor image = random_tensor({1, 2, 5, 5}, 2).set_requires_grad();
  const Tensor out = conv2d(image, w).sum();
  {
    const NoGradGuard no_grad;
    w.fill_(0);  // an optimizer step before backward
  }
  CHECK_THROWS_WITH_AS(out.backward(),
                       "backward of conv2d: a tensor of shape [2, 2, 3, 3] that it saved was "
                       "changed in place afterwards (version 1, saved at 0)",
                       StateError);
}

TEST_CASE("an operation that saves nothing does not care about changes") {
  Tensor a = Tensor::ones({2});
  const Tensor b = Tensor::ones({2}).set_requires_grad();
  const Tensor y = add(a, b).sum();
  a.fill_(5);
  CHECK_NOTHROW(y.backward());
}

TEST_CASE("a leaf may die before backward") {
  const Tensor x = Tensor::ones({2}, DType::float64).set_requires_grad();
  Tensor y;
  {
    const Tensor temporary = Tensor::full({2}, 3, DType::float64).set_requires_grad();
    y = mul(x, temporary).sum();
  }
  y.backward();
  CHECK(all_close(x.grad(), {3, 3}));
}

TEST_CASE("leaf and accumulator do not keep each other alive") {
  std::weak_ptr<TensorImpl> impl;
  {
    const Tensor x = Tensor::ones({2}).set_requires_grad();
    impl = x.impl();
    mul(x, x).sum().backward();
  }
  CHECK(impl.expired());
}

TEST_CASE("the graph is freed with its last tensor") {
  const std::size_t before = allocator_stats().bytes_in_use;
  {
    const Tensor x = Tensor::ones({1000}).set_requires_grad();
    Tensor y = x;
    for (int i = 0; i < 10; ++i) y = mul(y, y);
    CHECK(allocator_stats().bytes_in_use >= before + 11 * 4000);
    y = Tensor();
    CHECK(allocator_stats().bytes_in_use < before + 5000);
  }
  CHECK(allocator_stats().bytes_in_use == before);
}
