// ResidualBlock::zero_init and networks that use it.
#include <doctest/doctest.h>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "core/ops/relu.h"
#include "models/models.h"
#include "tests/models/module_helpers.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

const Tensor kX = random_tensor({2, 4, 5, 5}, 1, DType::float32);

std::vector<std::shared_ptr<ResidualBlock>> zero_blocks(Activation activation, std::int64_t c_out) {
  std::vector<std::shared_ptr<ResidualBlock>> blocks = {
      std::make_shared<ResNetBlock>(
          4, c_out, ResNetBlock::Options{.bottleneck_ratio = 1, .activation = activation}),
      std::make_shared<ResNetBlock>(
          4, c_out, ResNetBlock::Options{.bottleneck_ratio = 2, .activation = activation}),
      std::make_shared<ResNeXtBlock>(
          4, c_out,
          ResNeXtBlock::Options{.groups = 2, .bottleneck_ratio = 2, .activation = activation})};
  for (const auto& block : blocks) block->zero_init();
  return blocks;
}

void step(Module& module, double lr) {
  const NoGradGuard no_grad;
  for (NamedTensor& p : module.named_parameters()) {
    p.tensor.copy_(p.tensor.detach() - p.tensor.grad() * lr);
  }
  module.zero_grad();
}

}  // namespace

TEST_CASE("a post-activation block starts as the rectified shortcut") {
  for (const auto& block : zero_blocks(Activation::post, 4)) {
    CHECK(all_close((*block)(kX), relu(kX)));
  }
  for (const auto& block : zero_blocks(Activation::post, 8)) {
    CHECK(all_close((*block)(kX), relu((*child_of(*block, "shortcut"))(kX))));
  }
}

TEST_CASE("a pre-activation block starts as its shortcut") {
  for (const auto& block : zero_blocks(Activation::pre, 4)) CHECK(all_close((*block)(kX), kX));
  for (const auto& block : zero_blocks(Activation::pre, 8)) {
    CHECK(all_close((*block)(kX), (*child_of(*block, "shortcut"))(kX)));
  }
}

TEST_CASE("after one step every parameter of a zero-initialised block gets a gradient") {
  for (const Activation activation : {Activation::post, Activation::pre}) {
    for (const std::int64_t c_out : {4, 8}) {
      for (const auto& block : zero_blocks(activation, c_out)) {
        CAPTURE(block->class_name());
        CAPTURE(name(activation));
        const Tensor dy = random_tensor({2, c_out, 5, 5}, 2, DType::float32);
        (*block)(kX).backward(dy);
        CHECK(without_gradient(*block) != "");  // those before the zeros
        step(*block, 0.1);
        (*block)(kX).backward(dy);
        CHECK(without_gradient(*block) == "");
      }
    }
  }
}

TEST_CASE("a network zeroes the last norm or convolution of every block, and nothing else") {
  for (const char* model : {"resnet20", "preact_resnet20", "preact_resnet164", "resnet50"}) {
    CAPTURE(model);
    const auto net = models::make(model, {.zero_init_residual = true, .seed = 1});
    const auto plain = models::make(model, {.seed = 1});
    int blocks = 0;
    net->apply([&](Module& module) { blocks += dynamic_cast<ResidualBlock*>(&module) != nullptr; });
    const auto parameters = net->named_parameters(), others = plain->named_parameters();
    int zeroed = 0;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (bit_equal(parameters[i].tensor, others[i].tensor)) continue;
      CAPTURE(parameters[i].name);
      CHECK(parameters[i].name.find(".main_path.") != std::string::npos);
      CHECK(all_close(parameters[i].tensor, Tensor::zeros(parameters[i].tensor.shape())));
      ++zeroed;
    }
    CHECK(zeroed == blocks);
  }
}
