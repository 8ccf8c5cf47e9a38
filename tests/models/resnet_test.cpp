#include "models/resnet.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/allocator.h"
#include "core/ops/arithmetic.h"
#include "nn/init.h"
#include "tests/models/module_helpers.h"
#include "tests/support/compare.h"
#include "tests/support/guards.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

ResNetConfig small() {
  return {.stem_channels = 4, .blocks = {2, 1, 2}, .channels = {4, 8, 12}, .num_classes = 7};
}

ResNetConfig small_bottleneck() {
  return {.stem_channels = 4,
          .block = BlockKind::bottleneck,
          .blocks = {1, 1},
          .channels = {8, 16},
          .bottleneck_ratio = 2,
          .groups = 2};
}

Tensor images(const Shape& shape) {
  return random_tensor(shape, 1, DType::float32, MemoryFormat::channels_last);
}

/// The output shapes of the modules that have this name under the root.
class ShapeLog final : public CallObserver {
 public:
  explicit ShapeLog(const Module& root) : root_(root) {}
  void enter(const Module&, const Tensor&) override {}
  void leave(const Module& module, const Tensor& y) override {
    for (const auto& [name, child] : root_.children()) {
      if (child.get() == &module) text += fmt::format("{}{} ", name, y.shape());
    }
  }
  std::string text;

 private:
  const Module& root_;
};

std::string shapes_of(const ResNetConfig& config, const Shape& input) {
  ResNet net(config);
  const ShapeLog log(net);
  net(images(input));
  return log.text;
}

}  // namespace

TEST_CASE(
    "final_size is the size of the last stage's maps, or says that the images are too small") {
  for (const Stem stem : {Stem::cifar, Stem::imagenet}) {
    for (const Transition transition : {Transition::stride, Transition::pool}) {
      ResNetConfig config = small();
      config.stem = stem, config.transition = transition;
      for (const std::int64_t size : {1, 4, 7, 8, 15, 29, 32, 33}) {
        CAPTURE(size);
        ResNet net(config);
        net.eval();
        const ShapeLog log(net);
        std::int64_t final = 0;
        try {
          final = final_size(config, size);
        } catch (const ValueError& error) {
          CHECK(std::string(error.what()).starts_with("network: images: expected enough pixels"));
          CHECK_THROWS_AS(net(images({2, 3, size, size})), ShapeError);
          continue;
        }
        net(images({2, 3, size, size}));
        CHECK(log.text.find(fmt::format("stage3[2, 12, {}, {}] ", final, final)) !=
              std::string::npos);
      }
    }
  }
}

TEST_CASE("each stage but the first halves the size") {
  CHECK(shapes_of(small(), {2, 3, 8, 12}) ==
        "stem[2, 4, 8, 12] stage1[2, 4, 8, 12] stage2[2, 8, 4, 6] stage3[2, 12, 2, 3] "
        "pool[2, 12, 1, 1] flatten[2, 12] fc[2, 7] ");
}

TEST_CASE("odd sizes are rounded up") {
  CHECK(shapes_of(small(), {2, 3, 9, 7}) ==
        "stem[2, 4, 9, 7] stage1[2, 4, 9, 7] stage2[2, 8, 5, 4] stage3[2, 12, 3, 2] "
        "pool[2, 12, 1, 1] flatten[2, 12] fc[2, 7] ");
  ResNetConfig pre = small();
  pre.activation = Activation::pre;
  pre.shortcut = Shortcut::zero_pad;
  CHECK(shapes_of(pre, {2, 3, 9, 7})
            .ends_with("norm[2, 12, 3, 2] pool[2, 12, 1, 1] "
                       "flatten[2, 12] fc[2, 7] "));
}

TEST_CASE("the ImageNet stem divides the size by four") {
  ResNetConfig config = small();
  config.stem = Stem::imagenet;
  CHECK(shapes_of(config, {2, 3, 33, 40}).starts_with("stem[2, 4, 9, 10] stage1[2, 4, 9, 10] "));
}

TEST_CASE("stems: norm and ReLU belong to the post-activation order") {
  ResNetConfig config = small();
  const auto stem = [&config] { return classes_in(*child_of(ResNet(config), "stem")); };
  CHECK(stem() == "Conv2d BatchNorm2d ReLU");
  config.stem = Stem::imagenet;
  CHECK(stem() == "Conv2d BatchNorm2d ReLU MaxPool2d");
  config.activation = Activation::pre;
  CHECK(stem() == "Conv2d MaxPool2d");
  config.stem = Stem::cifar;
  CHECK(stem() == "Conv2d");
}

TEST_CASE(
    "pre-activation networks end in a norm and a ReLU before pooling, unless told otherwise") {
  ResNetConfig config = small();
  CHECK(classes_in(ResNet(config)) ==
        "Sequential Sequential Sequential Sequential AdaptiveAvgPool2d Flatten Linear");
  config.activation = Activation::pre;
  const ResNet net(config);
  CHECK(classes_in(net) ==
        "Sequential Sequential Sequential Sequential Sequential AdaptiveAvgPool2d Flatten Linear");
  CHECK(net.children()[4].first == "norm");
  CHECK(classes_in(*child_of(net, "norm")) == "BatchNorm2d ReLU");
  config.final_norm = false;
  CHECK(classes_in(ResNet(config)) ==
        "Sequential Sequential Sequential Sequential AdaptiveAvgPool2d Flatten Linear");
}

TEST_CASE("grouped stages are ResNeXt blocks, others ResNet blocks") {
  CHECK(classes_in(*child_of(ResNet(small()), "stage1")) == "ResNetBlock ResNetBlock");
  const ResNet grouped(small_bottleneck());
  CHECK(classes_in(*child_of(grouped, "stage1")) == "ResNeXtBlock");
  CHECK(conv_shapes(*child_of(grouped, "stage2")) ==
        std::vector<Shape>{{8, 8, 1, 1}, {8, 4, 3, 3}, {16, 8, 1, 1}, {16, 8, 1, 1}});
}

TEST_CASE("shortcuts: identity where shapes agree, else padding (A) or a projection (B)") {
  ResNetConfig config = small();
  const auto shortcut = [&config](const std::string& stage, const std::string& block) {
    const ResNet net(config);
    const ModulePtr module = child_of(*child_of(*child_of(net, stage), block), "shortcut");
    return module->class_name() + ": " + classes_in(*module);
  };
  for (const char* stage : {"stage1", "stage3"}) CHECK(shortcut(stage, "1") == "Identity: ");
  CHECK(shortcut("stage1", "0") == "Identity: ");
  CHECK(shortcut("stage2", "0") == "Sequential: Conv2d BatchNorm2d");
  config.activation = Activation::pre;
  CHECK(shortcut("stage2", "0") == "Conv2d: ");
  config.shortcut = Shortcut::zero_pad;
  CHECK(shortcut("stage2", "0") == "ZeroPadShortcut: ");
  config.activation = Activation::post;
  CHECK(shortcut("stage2", "0") == "ZeroPadShortcut: ");
  CHECK(shortcut("stage1", "0") == "Identity: ");
}

TEST_CASE("convolutions start as He normal by fan in, the classifier as PyTorch's") {
  const init::InitScope scope(1);
  const ResNet net({.stem_channels = 32, .blocks = {1, 1}, .channels = {64, 64}});
  int convolutions = 0;
  for (const NamedTensor& p : net.named_parameters()) {
    CAPTURE(p.name);
    double squares = 0, largest = 0;
    const std::vector<double> values = p.tensor.to_vector<double>();
    for (double v : values) {
      squares += v * v / static_cast<double>(values.size());
      largest = std::max(largest, std::abs(v));
    }
    if (p.tensor.rank() == 4) {
      ++convolutions;
      const double std = std::sqrt(2.0 / static_cast<double>(init::fan_in(p.tensor)));
      CHECK(std::sqrt(squares) == doctest::Approx(std).epsilon(0.1));
      CHECK(largest > 2.5 * std);
    } else if (p.name == "fc.weight") {
      CHECK(largest <= 0.125);
      CHECK(largest > 0.12);
    }
  }
  CHECK(convolutions == 7);
}

TEST_CASE("a network is deterministic and treats images of a batch alike in evaluation") {
  ResNet net(small());
  net.eval();
  const Tensor x = images({3, 3, 8, 8});
  const std::vector<double> y = net(x).to_vector<double>();
  CHECK(net(x).to_vector<double>() == y);
  const std::vector<double> last = net(x.narrow(2, 3)).to_vector<double>();
  for (std::size_t i = 0; i < 7; ++i) CHECK(last[i] == doctest::Approx(y[14 + i]).epsilon(1e-4));
}

TEST_CASE("images with other than three channels are rejected") {
  ResNet net(small());
  CHECK_THROWS_AS(net(Tensor::ones({2, 1, 8, 8})), ShapeError);
}

namespace {

struct Step {
  std::vector<std::vector<double>> tensors;  // logits, gradients, buffers
  std::size_t peak_bytes;
};

Step train_step(ResNet& net, const Tensor& x) {
  reset_peak_memory();
  const std::size_t before = allocator_stats().bytes_in_use;
  const Tensor logits = net(x);
  (logits * logits).sum().backward();
  Step step{{logits.to_vector<double>()}, allocator_stats().peak_bytes_in_use - before};
  for (const NamedTensor& p : net.named_parameters()) {
    step.tensors.push_back(p.tensor.grad().to_vector<double>());
  }
  for (const NamedTensor& b : net.named_buffers()) {
    step.tensors.push_back(b.tensor.to_vector<double>());
  }
  return step;
}

}  // namespace

TEST_CASE("recomputing blocks gives the same bits for less memory") {
  // The activations of many images outweigh the workspaces of the convolutions, which differ
  // between instruction sets and grow with the threads.
  const ThreadsGuard threads(1);
  ResNetConfig deep = small();
  deep.blocks[0] = 40;
  ResNetConfig pre = deep;
  pre.activation = Activation::pre;
  for (const ResNetConfig& config : {deep, pre, small_bottleneck()}) {
    CAPTURE(name(config.activation));
    CAPTURE(config.groups);
    std::vector<Step> steps;
    for (const bool recompute : {false, true}) {
      const init::InitScope scope(1);
      ResNet net(config);
      net.set_recompute_blocks(recompute);
      steps.push_back(train_step(net, images({32, 3, 17, 16})));
    }
    CHECK(steps[0].tensors == steps[1].tensors);
    // one activation a block instead of three, of two where the order is pre
    if (config.blocks[0] == 40) CHECK(steps[1].peak_bytes < steps[0].peak_bytes / 10 * 6);
  }
}

TEST_CASE("the switch for recomputation can be taken back") {
  const init::InitScope scope(1);
  ResNet net(small());
  net.set_recompute_blocks(true);
  const Step recomputed = train_step(net, images({4, 3, 16, 16}));
  net.zero_grad();
  net.set_recompute_blocks(false);
  CHECK(train_step(net, images({4, 3, 16, 16})).peak_bytes > recomputed.peak_bytes);
}

namespace {

// What the blocks leave out, by running each on ones; a block without a drop path has nothing.
std::vector<std::string> drop_paths(const Module& net) {
  std::vector<std::string> with;
  for (const NamedTensor& t : net.named_buffers()) {
    if (t.name.ends_with("drop_path.random_state")) with.push_back(t.name);
  }
  return with;
}

// The share of samples that the drop path of block `number` leaves out.
double share_left_out(Module& net, std::int64_t number) {
  std::vector<Module*> paths;
  net.apply([&](Module& module) {
    if (module.class_name() == "StochasticDepth") paths.push_back(&module);
  });
  const Tensor y = (*paths.at(static_cast<std::size_t>(number)))(Tensor::ones({20000, 1}));
  const auto values = y.to_vector<float>();
  return static_cast<double>(std::ranges::count(values, 0.0f)) / 20000;
}

}  // namespace

TEST_CASE(
    "the drop path rises linearly over the blocks of a network, whose weights stay the same") {
  ResNetConfig config = small();  // five blocks
  const auto make = [&] {
    const init::InitScope scope(3);
    return std::make_shared<ResNet>(config);
  };
  const auto plain = make();
  CHECK(drop_paths(*plain).empty());
  config.drop_path = 0.4;
  const auto net = make();
  CHECK(drop_paths(*net) == std::vector<std::string>{"stage1.1.drop_path.random_state",
                                                     "stage2.0.drop_path.random_state",
                                                     "stage3.0.drop_path.random_state",
                                                     "stage3.1.drop_path.random_state"});
  for (std::int64_t i = 0; i < 4; ++i) {
    const double p = 0.4 * static_cast<double>(i + 1) / 4;
    CHECK(std::abs(share_left_out(*net, i) - p) < 4 * std::sqrt(p * (1 - p) / 20000));
  }
  const auto want = plain->named_parameters(), got = net->named_parameters();
  REQUIRE(want.size() == got.size());
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(bit_equal(want[i].tensor, got[i].tensor));
  const Tensor x = images({3, 3, 8, 8});
  plain->eval();
  net->eval();
  CHECK(bit_equal((*plain)(x), (*net)(x)));
  net->train();
  CHECK_FALSE(bit_equal((*net)(x), (*net)(x)));

  config.blocks = {1};
  config.channels = {4};
  CHECK(std::abs(share_left_out(*make(), 0) - 0.4) < 4 * std::sqrt(0.4 * 0.6 / 20000));
}

TEST_CASE("recomputed blocks leave out the same samples once more") {
  std::vector<std::vector<float>> gradients;
  for (const bool recompute : {false, true}) {
    ResNetConfig config = small();
    config.drop_path = 0.5;
    const init::InitScope scope(3);
    ResNet net(config);
    net.set_recompute_blocks(recompute);
    net(images({8, 3, 8, 8})).sum().backward();
    gradients.push_back(net.first_conv().weight().grad().to_vector<float>());
  }
  CHECK(gradients[0] == gradients[1]);
}

TEST_CASE("contiguous images are brought to channels_last once, at the entrance") {
  // every format in which a module hands on its result of rank 4 with several channels and pixels
  struct FormatLog final : CallObserver {
    void enter(const Module&, const Tensor&) override {}
    void leave(const Module&, const Tensor& y) override {
      if (y.rank() == 4 && y.dim(2) > 1) all &= y.memory_format() == MemoryFormat::channels_last;
    }
    bool all = true;
  };
  const init::InitScope scope(1);
  ResNet net(small());
  const Tensor x = images({2, 3, 16, 16});
  const Tensor want = net(x);
  const FormatLog log;
  CHECK(bit_equal(net(x.to(MemoryFormat::contiguous)), want));
  CHECK(log.all);
}
