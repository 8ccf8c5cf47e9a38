#include "core/autograd/hook.h"

#include <doctest/doctest.h>

#include "core/ops/arithmetic.h"
#include "tests/support/compare.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

Tensor leaf() {
  return Tensor::ones({1}, DType::float64).set_requires_grad();
}

}  // namespace

TEST_CASE("a hook may register hooks, which count from the next backward on") {
  const Tensor x = leaf();
  int outer = 0, inner = 0;
  x.register_hook([&, large = std::vector<int>(100, 1)](const Tensor&) {
    for (int i = 0; i < 100; ++i) {
      x.register_hook([&inner](const Tensor&) {
        ++inner;
        return Tensor();
      });
    }
    outer += large[99];  // the captures are where they were
    return Tensor();
  });
  mul(x, 2).backward();
  CHECK(outer == 1);
  CHECK(inner == 0);
  mul(x, 2).backward();
  CHECK(outer == 2);
  CHECK(inner == 100);
}

TEST_CASE("a removed hook is not called, whatever else is registered") {
  const Tensor x = leaf(), y = mul(x, 2);
  std::vector<int> called;
  const auto hook = [&called](int number) {
    return [&called, number](const Tensor&) {
      called.push_back(number);
      return Tensor();
    };
  };
  HookHandle first = y.register_hook(hook(1));
  HookHandle second = y.register_hook(hook(2));
  y.register_hook(hook(3));
  second.remove();
  second.remove();
  y.backward({.retain_graph = true});
  CHECK(called == std::vector<int>{1, 3});
  first.remove();
  y.backward();
  CHECK(called == std::vector<int>{1, 3, 3});
}

TEST_CASE("a hook may remove itself and those behind it") {
  const Tensor x = leaf();
  HookHandle self, other;
  int first = 0, second = 0;
  self = x.register_hook([&, state = std::vector<int>(100, 1)](const Tensor&) {
    self.remove();
    other.remove();
    first += state[99];
    return Tensor();
  });
  other = x.register_hook([&](const Tensor&) {
    ++second;
    return Tensor();
  });
  for (int i = 0; i < 3; ++i) mul(x, 2).backward();
  CHECK(first == 1);
  CHECK(second == 1);  // it was registered when the first gradient came
}

TEST_CASE("a handle may outlive its tensor, and be empty") {
  HookHandle handle;
  handle.remove();
  {
    const Tensor x = leaf();
    handle = x.register_hook([](const Tensor& dx) { return dx; });
  }
  handle.remove();
}
