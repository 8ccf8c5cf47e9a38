#include "models/resnet.h"

#include "nn/batch_norm2d.h"
#include "nn/conv2d.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/linear.h"
#include "nn/sequential.h"

namespace resgrad {
namespace {

constexpr std::int64_t kImageChannels = 3;

std::shared_ptr<Conv2d> conv_without_bias(std::int64_t c_in, std::int64_t c_out,
                                          std::int64_t kernel, std::int64_t stride) {
  return std::make_shared<Conv2d>(
      c_in, c_out, kernel,
      Conv2dLayerOptions{.stride = stride, .padding = kernel / 2, .bias = false});
}

ModulePtr make_stem(const ResNetConfig& config) {
  const bool imagenet = config.stem == Stem::imagenet;
  auto stem = std::make_shared<Sequential>();
  stem->append(
      conv_without_bias(kImageChannels, config.stem_channels, imagenet ? 7 : 3, imagenet ? 2 : 1));
  if (config.activation == Activation::post) {
    stem->append(std::make_shared<BatchNorm2d>(config.stem_channels));
    stem->append(std::make_shared<ReLU>());
  }
  if (imagenet) {
    stem->append(
        std::make_shared<MaxPool2d>(Pool2dOptions{.kernel = 3, .stride = 2, .padding = 1}));
  }
  return stem;
}

// Grouped stages are built of ResNeXt blocks, the others of ResNet blocks.
ModulePtr make_block(const ResNetConfig& config, const Stage& stage, std::int64_t c_in,
                     std::int64_t stride) {
  const ResidualBlockOptions options{
      .stride = stride,
      .groups = config.groups,
      .bottleneck_ratio = 1,
      .mid_channels = stage.mid_channels,
      .stride_in_first = config.stride_in_first,
      .activation = config.activation,
      .downsample = make_shortcut(c_in, stage.channels, stride, config.shortcut,
                                  config.activation == Activation::post)};
  if (config.groups > 1) return std::make_shared<ResNeXtBlock>(c_in, stage.channels, options);
  return std::make_shared<ResNetBlock>(c_in, stage.channels, options);
}

void initialise(Module& module) {
  if (const auto* conv = dynamic_cast<Conv2d*>(&module)) init::he_normal_fan_in_(conv->weight());
}

}  // namespace

ResNet::ResNet(const ResNetConfig& config) {
  register_module("stem", make_stem(config));
  std::int64_t channels = config.stem_channels;
  for (std::size_t s = 0; s < config.stages.size(); ++s) {
    const Stage& stage = config.stages[s];
    auto blocks = std::make_shared<Sequential>();
    for (std::int64_t b = 0; b < stage.blocks; ++b) {
      blocks->append(make_block(config, stage, channels, b == 0 && s > 0 ? 2 : 1));
      channels = stage.channels;
    }
    register_module(fmt::format("stage{}", s + 1), blocks);
  }
  if (config.activation == Activation::pre) {
    register_module("norm",
                    std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
                        std::make_shared<BatchNorm2d>(channels), std::make_shared<ReLU>()}));
  }
  register_module("pool", std::make_shared<GlobalAvgPool2d>());
  register_module("flatten", std::make_shared<Flatten>());
  register_module("fc", std::make_shared<Linear>(channels, config.num_classes));
  apply(initialise);
  if (config.zero_init_residual) {
    apply([](Module& module) {
      if (auto* block = dynamic_cast<ResidualBlock*>(&module)) block->zero_init();
    });
  }
}

void ResNet::set_recompute_blocks(bool value) {
  apply([value](Module& module) {
    if (dynamic_cast<ResidualBlock*>(&module) != nullptr) module.set_recompute(value);
  });
}

Tensor ResNet::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& [name, child] : children()) y = (*child)(y);
  return y;
}

}  // namespace resgrad
