// Every parameter of a network learns.
#include <doctest/doctest.h>

#include "models/models.h"
#include "nn/loss.h"
#include "tests/models/module_helpers.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

void check_gradients(const std::string& model, const models::Options& options = {}) {
  CAPTURE(model);
  const auto net = models::make(model, options);
  Tensor x = random_tensor({2, 3, 16, 16}, 1, DType::float32, MemoryFormat::channels_last);
  x.set_requires_grad();
  CrossEntropyLoss()((*net)(x), Tensor::from<std::int64_t>({1, 7}, {2})).backward();
  CHECK(without_gradient(*net) == "");
  CHECK(x.grad().defined());
}

}  // namespace

TEST_CASE("every named parameter gets a gradient that is not zero") {
  check_gradients("resnet20");
  check_gradients("resnet20", {.activation = Activation::pre, .shortcut = Shortcut::projection});
  check_gradients("resnet20", {.shortcut = Shortcut::projection});
  check_gradients("preact_resnet20");
  check_gradients("preact_resnet164");
  check_gradients("resnet18");
  check_gradients("resnet18", {.stem = Stem::imagenet});
  check_gradients("resnext29_32x4d", {.zero_init_residual = false});  // zeros pass nothing back
}
