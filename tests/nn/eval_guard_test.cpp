#include "nn/eval_guard.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "nn/nn.h"

using namespace resgrad;

namespace {

std::vector<bool> modes_of(Module& module) {
  std::vector<bool> modes;
  module.apply([&](Module& m) { modes.push_back(m.is_training()); });
  return modes;
}

}  // namespace

TEST_CASE("EvalGuard evaluates all modules and gives each its own mode back") {
  const auto frozen = std::make_shared<BatchNorm2d>(2);
  const auto inner = std::make_shared<Sequential>(
      std::initializer_list<ModulePtr>{frozen, std::make_shared<ReLU>()});
  // a module under two parents that are in different modes
  Sequential net{inner, std::make_shared<Sequential>(std::initializer_list<ModulePtr>{frozen})};
  frozen->eval();
  const std::vector<bool> before = modes_of(net);
  REQUIRE(before == std::vector<bool>{false, true, true, false, true, true});
  {
    const EvalGuard evaluation(net);
    CHECK(modes_of(net) == std::vector<bool>(6, false));
  }
  CHECK(modes_of(net) == before);
}

TEST_CASE("EvalGuard restores the modes after an exception, and guards nest") {
  const auto frozen = std::make_shared<ReLU>();
  Sequential net{frozen, std::make_shared<ReLU>()};
  frozen->eval();
  const std::vector<bool> before = modes_of(net);
  try {
    const EvalGuard outer(net);
    { const EvalGuard inner(net); }
    CHECK(modes_of(net) == std::vector<bool>(3, false));
    throw std::runtime_error("stop");
  } catch (const std::runtime_error&) {
  }
  CHECK(modes_of(net) == before);
}
