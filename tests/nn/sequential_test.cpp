#include "nn/sequential.h"

#include <doctest/doctest.h>

#include "core/ops/arithmetic.h"
#include "nn/layers.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

class Affine final : public Module {
 public:
  Affine(double scale, double shift) : scale_(scale), shift_(shift) {}
  std::string class_name() const override { return "Affine"; }

 private:
  Tensor forward(const Tensor& x) override { return x * scale_ + shift_; }
  double scale_, shift_;
};

}  // namespace

TEST_CASE("modules are applied in order") {
  Sequential modules{std::make_shared<Affine>(2, 1), std::make_shared<Affine>(10, 0)};
  CHECK(all_close(modules(tensor_of({1}, {1})), {30}));
  modules.append(std::make_shared<Affine>(1, 5));
  CHECK(all_close(modules(tensor_of({1}, {1})), {35}));
}

TEST_CASE("children are named by their number, appended ones as well") {
  Sequential modules{std::make_shared<ReLU>()};
  modules.append(std::make_shared<Flatten>());
  REQUIRE(modules.children().size() == 2);
  CHECK(modules.children()[0].first == "0");
  CHECK(modules.children()[1].first == "1");
  CHECK(modules.children()[1].second->class_name() == "Flatten");
}

TEST_CASE("without modules it returns its input") {
  Sequential nothing;
  const Tensor x = Tensor::ones({2});
  CHECK(nothing(x).is_same(x));
}

TEST_CASE("null is no module, and no module holds itself") {
  CHECK_THROWS_WITH_AS((Sequential{std::make_shared<ReLU>(), nullptr}),
                       "register_module: 1: expected a module, got null", ValueError);
  const auto outer = std::make_shared<Sequential>(), inner = std::make_shared<Sequential>();
  outer->append(inner);
  CHECK_THROWS_WITH_AS(inner->append(outer),
                       "register_module: 0: expected a module that does not hold this one, got one "
                       "that does",
                       ValueError);
}
