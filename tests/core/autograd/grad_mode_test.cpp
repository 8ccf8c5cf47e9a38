#include "core/autograd/grad_mode.h"

#include <doctest/doctest.h>

#include <optional>
#include <thread>

#include "core/ops/arithmetic.h"

using namespace resgrad;

TEST_CASE("NoGradGuard stops recording for its lifetime, also when nested") {
  const Tensor x = Tensor::ones({2}).set_requires_grad();
  CHECK(grad_enabled());
  {
    const NoGradGuard outer;
    CHECK_FALSE(mul(x, x).requires_grad());
    {
      const NoGradGuard inner;
      CHECK_FALSE(grad_enabled());
    }
    CHECK_FALSE(grad_enabled());
  }
  CHECK(grad_enabled());
  CHECK(mul(x, x).requires_grad());
}

TEST_CASE("the grad mode belongs to its thread") {
  const NoGradGuard no_grad;
  std::optional<bool> enabled;
  std::thread([&] { enabled = grad_enabled(); }).join();
  CHECK(enabled == true);
  CHECK_FALSE(grad_enabled());
}

TEST_CASE("an exception restores the grad mode") {
  try {
    const NoGradGuard no_grad;
    throw 1;
  } catch (int) {
  }
  CHECK(grad_enabled());
}
