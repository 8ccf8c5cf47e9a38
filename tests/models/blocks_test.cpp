#include "models/blocks.h"

#include <doctest/doctest.h>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "core/ops/relu.h"
#include "nn/nn.h"
#include "tests/models/module_helpers.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

Tensor image(const Shape& shape, std::uint64_t seed = 1) {
  return random_tensor(shape, seed, DType::float32, MemoryFormat::channels_last);
}

std::string main_path_of(const Module& block) {
  return classes_in(*child_of(block, "main_path"));
}
std::string shortcut_of(const Module& block) {
  return child_of(block, "shortcut")->class_name();
}

}  // namespace

TEST_CASE("the blocks of the source text have its parameter counts") {
  CHECK(ResNetBlock(128, 32, {.bottleneck_ratio = 1}).parameter_count() == 50'304);
  CHECK(ResNetBlock(128, 32).parameter_count() == 6'048);
  CHECK(ResNetBlock(128, 32, {.stride = 3}).parameter_count() == 6'048);
  CHECK(ResNeXtBlock(128, 32, {.bottleneck_ratio = 1}).parameter_count() == 50'496);
  CHECK(ResNeXtBlock(128, 32, {.groups = 4}).parameter_count() == 5'808);
  CHECK(ResNeXtBlock(128, 32, {.stride = 3, .groups = 4}).parameter_count() == 5'808);
}

TEST_CASE("main paths are built in the order of their activation, without biases") {
  const auto basic = [](auto activation) {
    return ResNetBlock::Options{.bottleneck_ratio = 1, .activation = activation};
  };
  const ResNetBlock post(4, 6, basic(Activation::post)), pre(4, 6, basic(Activation::pre));
  CHECK(main_path_of(post) == "Conv2d BatchNorm2d ReLU Conv2d BatchNorm2d");
  CHECK(main_path_of(pre) == "BatchNorm2d ReLU Conv2d BatchNorm2d ReLU Conv2d");
  CHECK(conv_shapes(post) == std::vector<Shape>{{6, 4, 3, 3}, {6, 6, 3, 3}, {6, 4, 1, 1}});
  CHECK(conv_shapes(pre) == conv_shapes(post));
  CHECK(post.parameter_count() == 6 * 4 * 9 + 6 * 6 * 9 + 6 * 4 + 2 * (6 + 6));
  CHECK(pre.parameter_count() == 6 * 4 * 9 + 6 * 6 * 9 + 6 * 4 + 2 * (4 + 6));

  const ResNeXtBlock wide(4, 8, {.groups = 2, .bottleneck_ratio = 2});
  CHECK(main_path_of(wide) ==
        "BatchNorm2d ReLU Conv2d BatchNorm2d ReLU Conv2d BatchNorm2d ReLU Conv2d");
  CHECK(conv_shapes(wide) ==
        std::vector<Shape>{{4, 4, 1, 1}, {4, 2, 3, 3}, {8, 4, 1, 1}, {8, 4, 1, 1}});
  CHECK(main_path_of(ResNetBlock(4, 8)) ==
        "Conv2d BatchNorm2d ReLU Conv2d BatchNorm2d ReLU Conv2d BatchNorm2d");
}

TEST_CASE("mid_channels replaces the ratio, and makes ratio 1 a bottleneck") {
  const ResNetBlock block(4, 6, {.groups = 5, .bottleneck_ratio = 1, .mid_channels = 10});
  CHECK(conv_shapes(block) ==
        std::vector<Shape>{{10, 4, 1, 1}, {10, 2, 3, 3}, {6, 10, 1, 1}, {6, 4, 1, 1}});
}

TEST_CASE("the shortcut is the identity exactly where shapes agree") {
  CHECK(shortcut_of(ResNetBlock(8, 8)) == "Identity");
  CHECK(shortcut_of(ResNeXtBlock(8, 8)) == "Identity");
  CHECK(shortcut_of(ResNetBlock(8, 8, {.stride = 2})) == "Conv2d");
  CHECK(shortcut_of(ResNetBlock(4, 8)) == "Conv2d");
  CHECK(shortcut_of(ResNeXtBlock(4, 8)) == "Conv2d");
}

TEST_CASE("make_shortcut: identity, zero padding, a projection bare or with a norm") {
  const auto made = [](std::int64_t c_out, std::int64_t stride, Shortcut shortcut, bool norm) {
    const ModulePtr module = make_shortcut(4, c_out, stride, shortcut, norm);
    const Shape shape = (*module)(image({2, 4, 6, 6})).shape();
    return fmt::format("{} ({}) {}", module->class_name(), classes_in(*module), shape);
  };
  for (const Shortcut shortcut : {Shortcut::zero_pad, Shortcut::projection}) {
    for (const bool norm : {false, true}) {
      CHECK(made(4, 1, shortcut, norm) == "Identity () [2, 4, 6, 6]");
    }
  }
  CHECK(made(4, 2, Shortcut::zero_pad, true) == "ZeroPadShortcut () [2, 4, 3, 3]");
  CHECK(made(8, 1, Shortcut::projection, false) == "Conv2d () [2, 8, 6, 6]");
  CHECK(made(8, 2, Shortcut::projection, true) == "Sequential (Conv2d BatchNorm2d) [2, 8, 3, 3]");
  CHECK_THROWS_AS(made(2, 1, Shortcut::zero_pad, false), ValueError);
}

TEST_CASE("the output is main path + shortcut, rectified in the post-activation order only") {
  const auto check = [](Module& block, bool is_rectified) {
    block.eval();
    const Tensor x = image({2, 4, 5, 7});
    const Tensor sum = (*child_of(block, "main_path"))(x) + (*child_of(block, "shortcut"))(x);
    CHECK(all_close(block(x), is_rectified ? relu(sum) : sum));
    CHECK_FALSE(all_close(relu(sum), sum));
  };
  for (const std::int64_t ratio : {1, 2}) {
    for (const std::int64_t c_out : {4, 6}) {
      ResNetBlock post(4, c_out, {.bottleneck_ratio = ratio});
      ResNeXtBlock pre(4, c_out, {.bottleneck_ratio = ratio});
      check(post, true);
      check(pre, false);
    }
  }
}

TEST_CASE("with a drop path a sample goes along the shortcut alone, or both with the path scaled") {
  constexpr double kP = 0.4;
  for (const Activation activation : {Activation::post, Activation::pre}) {
    ResNetBlock block(4, 6, {.bottleneck_ratio = 1, .activation = activation});
    block.set_drop_path(kP);
    const Tensor x = image({40, 4, 5, 7});
    const Tensor path = (*child_of(block, "main_path"))(x),
                 shortcut = (*child_of(block, "shortcut"))(x);
    const auto joined = [&](const Tensor& sum) {
      return (activation == Activation::post ? relu(sum) : sum).to_vector<float>();
    };
    const auto alone = joined(shortcut), both = joined(path * (1 / (1 - kP)) + shortcut);
    const auto y = block(x).to_vector<float>();
    const std::size_t row = y.size() / 40;
    int left_out = 0;
    for (std::size_t i = 0; i < 40; ++i) {
      const bool out = y[i * row] == doctest::Approx(alone[i * row]).epsilon(1e-5) &&
                       y[i * row + 1] == doctest::Approx(alone[i * row + 1]).epsilon(1e-5) &&
                       y[i * row + 2] == doctest::Approx(alone[i * row + 2]).epsilon(1e-5);
      left_out += out;
      for (std::size_t j = i * row; j < (i + 1) * row; ++j) {
        REQUIRE(y[j] == doctest::Approx((out ? alone : both)[j]).epsilon(1e-4));
      }
    }
    CHECK(left_out > 4);
    CHECK(left_out < 36);
    block.eval();  // the same as without
    const Tensor sum = (*child_of(block, "main_path"))(x) + (*child_of(block, "shortcut"))(x);
    CHECK(all_close(block(x), activation == Activation::post ? relu(sum) : sum));
    CHECK_THROWS_AS(block.set_drop_path(kP), ValueError);
  }
  CHECK_THROWS_AS(ResNetBlock(4, 4).set_drop_path(1), ValueError);
}

TEST_CASE(
    "an activated shortcut takes the input behind the first norm and ReLU, as the main path") {
  const ResNetBlock::Options raw{.stride = 2, .bottleneck_ratio = 2, .activation = Activation::pre};
  ResNetBlock::Options activated = raw;
  activated.activated_shortcut = true;
  ResNetBlock block(4, 6, activated), other(4, 6, raw);
  CHECK(classes_in(*child_of(block, "preact")) == "BatchNorm2d ReLU");
  CHECK(main_path_of(block) == "Conv2d BatchNorm2d ReLU Conv2d BatchNorm2d ReLU Conv2d");
  CHECK(block.parameter_count() == other.parameter_count());
  block.eval();
  const Tensor x = image({2, 4, 5, 7}), a = (*child_of(block, "preact"))(x);
  CHECK(
      all_close(block(x), (*child_of(block, "main_path"))(a) + (*child_of(block, "shortcut"))(a)));
  CHECK_FALSE(all_close((*child_of(block, "shortcut"))(a), (*child_of(block, "shortcut"))(x)));
  ResNetBlock identity(
      6, 6, {.bottleneck_ratio = 1, .activation = Activation::pre, .activated_shortcut = true});
  CHECK(shortcut_of(identity) == "Identity");  // of x itself
  CHECK(classes_in(identity) == "Sequential Identity");
}

TEST_CASE("strides divide the size, rounded up, and memory formats are kept") {
  for (const Activation activation : {Activation::post, Activation::pre}) {
    for (const std::int64_t stride : {1, 2, 3}) {
      for (const std::int64_t ratio : {1, 2}) {
        for (const bool in_first : {false, true}) {
          ResNetBlock block(3, 4,
                            {.stride = stride,
                             .bottleneck_ratio = ratio,
                             .stride_in_first = in_first,
                             .activation = activation});
          const Tensor y = block(image({2, 3, 7, 10}));
          CHECK(y.shape() == Shape{2, 4, (7 + stride - 1) / stride, (10 + stride - 1) / stride});
          CHECK(y.memory_format() == MemoryFormat::channels_last);
        }
      }
    }
  }
}

TEST_CASE("stride_in_first moves the stride from the 3x3 convolution into the first 1x1") {
  struct Sizes final : CallObserver {
    void enter(const Module&, const Tensor&) override {}
    void leave(const Module& module, const Tensor& y) override {
      if (module.class_name() == "Conv2d") heights.push_back(y.dim(2));
    }
    std::vector<std::int64_t> heights;
  };
  const auto heights = [](bool in_first) {
    ResNetBlock block(4, 8, {.stride = 2, .stride_in_first = in_first});
    const Sizes sizes;
    block(image({1, 4, 8, 8}));
    return sizes.heights;
  };
  CHECK(heights(false) == std::vector<std::int64_t>{8, 4, 4, 4});
  CHECK(heights(true) == std::vector<std::int64_t>{4, 4, 4, 4});
}

TEST_CASE("a given downsample replaces the shortcut in both blocks, even where shapes agree") {
  const auto scaled = std::make_shared<Conv2d>(4, 4, 1, Conv2dLayerOptions{.bias = false});
  const NoGradGuard no_grad;
  Tensor weight = scaled->weight();
  weight.fill_(0);
  ResNetBlock post(4, 4, {.downsample = scaled});
  ResNeXtBlock pre(4, 4, {.downsample = scaled});
  const Tensor x = image({2, 4, 3, 3});
  for (Module* block : {static_cast<Module*>(&post), static_cast<Module*>(&pre)}) {
    CHECK(child_of(*block, "shortcut") == scaled);
    block->eval();
    const Tensor main = (*child_of(*block, "main_path"))(x);
    CHECK(all_close((*block)(x), block == &post ? relu(main) : main));
  }
}

TEST_CASE("given the same weights, both blocks compute the same") {
  for (const Activation activation : {Activation::post, Activation::pre}) {
    ResNetBlock one(4, 8, {.stride = 2, .groups = 2, .activation = activation});
    ResNeXtBlock other(4, 8, {.stride = 2, .groups = 2, .activation = activation});
    other.load_state_dict(one.state_dict());
    const Tensor x = image({2, 4, 6, 6});
    CHECK(bit_equal(one(x), other(x)));
  }
}

TEST_CASE("ZeroPadShortcut takes every stride-th pixel and pads channels on both sides") {
  ZeroPadShortcut shortcut(2, 5, 2);
  Tensor x = distinct_tensor({1, 2, 3, 3}, 1).set_requires_grad();
  const std::vector<double> v = x.to_vector<double>();
  const Tensor y = shortcut(x);
  CHECK(all_close(y, tensor_of({0,    0,     0,     0,      //
                                v[0], v[2],  v[6],  v[8],   //
                                v[9], v[11], v[15], v[17],  //
                                0,    0,     0,     0,      //
                                0,    0,     0,     0},
                               {1, 5, 2, 2})));
  y.sum().backward();
  CHECK(all_close(x.grad(), {1, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 1}));
  CHECK(shortcut.parameter_count() == 0);
  ZeroPadShortcut nothing(2, 2, 1);
  CHECK(nothing(x).is_same(x));
}
