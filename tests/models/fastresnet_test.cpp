// fastresnet8 and its parts, which every network can have: whitening stem, pooled transitions,
// Dirac convolutions, frozen norms, scaled logits.
#include <doctest/doctest.h>

#include <map>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/ops/cross_entropy.h"
#include "core/ops/matmul.h"
#include "core/ops/pool.h"
#include "core/ops/relu.h"
#include "core/ops/shaping.h"
#include "models/models.h"
#include "tests/models/module_helpers.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

Tensor images(const Shape& shape, std::uint64_t seed = 1) {
  return random_tensor(shape, seed, DType::float32, MemoryFormat::channels_last);
}

std::map<std::string, Tensor> state_of(const Module& net) {
  std::map<std::string, Tensor> state;
  for (const NamedTensor& t : net.state_dict()) state[t.name] = t.tensor;
  return state;
}

void step(Module& net, double lr) {
  const Tensor x = images({4, 3, 16, 16}, 5);
  cross_entropy(net(x), Tensor::from<std::int64_t>({0, 1, 2, 3}, {4})).backward();
  const NoGradGuard no_grad;
  for (NamedTensor& p : net.named_parameters()) {
    if (p.tensor.grad().defined()) p.tensor.copy_(p.tensor.detach() - p.tensor.grad() * lr);
  }
  net.zero_grad();
}

}  // namespace

TEST_CASE("fastresnet8 computes what its description says") {
  const auto net = models::make("fastresnet8", {.seed = 1});
  step(*net, 0.1);  // moves statistics and biases
  net->eval();
  const NoGradGuard no_grad;
  const std::map<std::string, Tensor> s = state_of(*net);
  const auto conv = [&](const Tensor& x, const std::string& name) {
    return conv2d(x, s.at(name + ".weight"), Tensor(), {.padding = 1});
  };
  const auto norm = [&](const Tensor& x, const std::string& name) {
    Tensor mean = s.at(name + ".running_mean").clone(), var = s.at(name + ".running_var").clone();
    return batch_norm(x, s.at(name + ".weight"), s.at(name + ".bias"), mean, var,
                      {.training = false});
  };
  const Tensor x = images({2, 3, 32, 32});
  Tensor y = relu(conv2d(x, s.at("stem.0.weight"), s.at("stem.0.bias"), {.padding = 1}));
  for (const std::string stage : {"stage1", "stage2", "stage3"}) {
    const Tensor x0 =
        relu(norm(max_pool2d(conv(y, stage + ".0.0"), {.kernel = 2}), stage + ".0.2"));
    y = relu(norm(conv(x0, stage + ".1.main_path.0"), stage + ".1.main_path.1") + x0);
  }
  CHECK(y.shape() == Shape{2, 256, 4, 4});
  y = linear(flatten(max_pool2d(y, {.kernel = 4})), s.at("fc.weight"), s.at("fc.bias"));
  CHECK(all_close((*net)(x), y * (1.0 / 9), 1e-4));
}

TEST_CASE("transitions that pool halve the size before the blocks of each stage, in both orders") {
  for (const char* activation : {"post", "pre"}) {
    CAPTURE(activation);
    const auto net = models::make(
        "resnet20",
        {.fields = {{"transition", "pool"}, {"blocks", "2,1,1"}, {"activation", activation}}});
    const ModulePtr stage = child_of(*net, "stage2");
    CHECK(classes_in(*child_of(*net, "stage1")) == "Sequential ResNetBlock ResNetBlock");
    CHECK(classes_in(*stage->children()[0].second) == (std::string(activation) == "post"
                                                           ? "Conv2d MaxPool2d BatchNorm2d ReLU"
                                                           : "BatchNorm2d ReLU Conv2d MaxPool2d"));
    CHECK((*stage)(images({2, 16, 8, 8})).shape() == Shape{2, 32, 4, 4});
    CHECK(classes_in(*child_of(*stage->children()[1].second, "shortcut")) == "");
    CHECK(child_of(*stage->children()[1].second, "shortcut")->class_name() == "Identity");
  }
}

TEST_CASE("a block of one convolution: act(norm(conv(x)) + x), in both orders") {
  for (const Activation activation : {Activation::post, Activation::pre}) {
    ResNetBlock block(4, 4, {.bottleneck_ratio = 1, .single = true, .activation = activation});
    CHECK(conv_shapes(block) == std::vector<Shape>{{4, 4, 3, 3}});
    CHECK(block(images({2, 4, 5, 5})).shape() == Shape{2, 4, 5, 5});
  }
  CHECK_THROWS_WITH_AS(
      ResNetBlock(4, 4, {.bottleneck_ratio = 2, .single = true}),
      "ResNetBlock: single: expected the basic form (bottleneck_ratio=1, mid_channels=0), got "
      "bottleneck_ratio=2 and mid_channels=0",
      ValueError);
}

TEST_CASE("init=dirac: 3x3 convolutions of the stages pass channels on, all others stay He") {
  for (const char* model : {"resnet20", "preact_resnet164", "resnext29_32x4d", "fastresnet8"}) {
    CAPTURE(model);
    const models::Fields he = {{"init", "he"}, {"zero_init_residual", "off"}};
    models::Fields dirac = he;
    dirac["init"] = "dirac";
    const auto plain = models::make(model, {.fields = he, .seed = 3});
    const auto net = models::make(model, {.fields = dirac, .seed = 3});
    const auto own = net->named_parameters(), others = plain->named_parameters();
    int passing = 0;
    for (std::size_t i = 0; i < own.size(); ++i) {
      CAPTURE(own[i].name);
      const Tensor& w = own[i].tensor;
      if (w.rank() != 4 || w.dim(2) != 3 || own[i].name.starts_with("stem")) {
        CHECK(bit_equal(w, others[i].tensor));
        continue;
      }
      ++passing;
      // filter 0 takes channel 0 in the middle, and nothing else
      std::vector<double> want(static_cast<std::size_t>(w.numel() / w.dim(0)));
      want[4] = 1;
      CHECK(all_close(slice(w, 0, 0, 1), want));
    }
    CHECK(passing > 0);
  }
}

TEST_CASE("frozen norm scales do not change, the biases do") {
  for (const char* model : {"fastresnet8", "preact_resnet20"}) {
    CAPTURE(model);
    const auto net = models::make(model, {.fields = {{"freeze_norm_scale", "on"}}});
    for (int i = 0; i < 2; ++i) step(*net, 0.5);
    int norms = 0;
    net->apply([&](Module& module) {
      const auto* norm = dynamic_cast<BatchNorm2d*>(&module);
      if (norm == nullptr) return;
      ++norms;
      CHECK(all_close(norm->weight(), Tensor::ones(norm->weight().shape())));
      const Tensor bias = norm->own_parameters()[1].tensor;
      CHECK_FALSE(all_close(bias, Tensor::zeros(bias.shape())));
    });
    CHECK(norms > 0);
  }
}

TEST_CASE("logit_scale multiplies the logits and nothing else") {
  const auto plain = models::make("resnet20", {.seed = 1});
  const auto scaled = models::make("resnet20", {.fields = {{"logit_scale", "0.25"}}, .seed = 1});
  scaled->load_state_dict(plain->state_dict());
  const Tensor x = images({2, 3, 8, 8});
  CHECK(all_close((*scaled)(x), (*plain)(x)*0.25, 1e-6));
}

TEST_CASE("pool=max takes the largest value of each channel") {
  const auto net = models::make("resnet20", {.fields = {{"pool", "max"}}});
  const Tensor x = images({2, 64, 3, 5});
  CHECK(all_close((*child_of(*net, "pool"))(x), max_pool2d(x, {.kernel = {3, 5}})));
}

TEST_CASE("layouts of other code refuse what that code cannot build") {
  for (const models::Fields::value_type& field : models::Fields{{"transition", "pool"},
                                                                {"whiten_stem", "on"},
                                                                {"pool", "max"},
                                                                {"logit_scale", "2"},
                                                                {"block", "single"}}) {
    CAPTURE(field.first);
    const ResNetConfig config = models::configure("resnet18", {.fields = {field}});
    CHECK_THROWS_AS(models::state_in_layout(*models::make(config, 0, false), config, "torchvision"),
                    ValueError);
  }
}
