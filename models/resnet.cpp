#include "models/resnet.h"

#include <algorithm>
#include <cmath>

#include "core/ops/shaping.h"
#include "nn/batch_norm2d.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/linear.h"
#include "nn/recompute.h"
#include "nn/sequential.h"

namespace resgrad {
namespace {

constexpr std::int64_t kImageChannels = 3;

std::string listed(const std::vector<std::int64_t>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ","));
}

// The width of the bottleneck of a stage; 0 for other blocks.
std::int64_t mid_channels(const ResNetConfig& config, std::size_t stage) {
  if (config.block != BlockKind::bottleneck) return 0;
  return config.mid_channels.empty() ? config.channels[stage] / config.bottleneck_ratio
                                     : config.mid_channels[stage];
}

void validate_numbers(const ResNetConfig& c) {
  const auto at_least_1 = [](std::string_view field, std::int64_t value) {
    require<ValueError>(value >= 1, "network: {}: expected at least 1, got {}", field, value);
  };
  const auto per_stage = [&c](std::string_view field, const std::vector<std::int64_t>& numbers) {
    require<ValueError>(numbers.size() == c.channels.size(),
                        "network: {}: expected a number for each stage of channels={}, got {}",
                        field, listed(c.channels), listed(numbers));
    require<ValueError>(std::ranges::all_of(numbers, [](std::int64_t n) { return n >= 1; }),
                        "network: {}: expected numbers of at least 1, got {}", field,
                        listed(numbers));
  };
  require<ValueError>(!c.channels.empty(), "network: channels: expected a number for each stage");
  per_stage("channels", c.channels);
  per_stage("blocks", c.blocks);
  if (!c.mid_channels.empty()) per_stage("mid_channels", c.mid_channels);
  at_least_1("bottleneck_ratio", c.bottleneck_ratio);
  at_least_1("groups", c.groups);
  at_least_1("stem_channels", c.stem_channels);
  at_least_1("num_classes", c.num_classes);
  require<ValueError>(c.drop_path >= 0 && c.drop_path < 1,
                      "network: drop_path: expected a number of at least 0 and below 1, got {}",
                      c.drop_path);
  require<ValueError>(std::isfinite(c.logit_scale) && c.logit_scale != 0,
                      "network: logit_scale: expected a finite number other than 0, got {}",
                      c.logit_scale);
}

void validate_groups(const ResNetConfig& c) {
  if (c.block != BlockKind::bottleneck) {
    require<ValueError>(c.groups == 1,
                        "network: groups: expected 1 with block={}, got {}; block=bottleneck takes "
                        "more",
                        name(c.block), c.groups);
    return;
  }
  require<ValueError>(
      !c.mid_channels.empty() ||
          std::ranges::all_of(c.channels,
                              [&](std::int64_t n) { return n % c.bottleneck_ratio == 0; }),
      "network: bottleneck_ratio: expected a divisor of channels={}, got {}", listed(c.channels),
      c.bottleneck_ratio);
  std::vector<std::int64_t> middle;
  for (std::size_t s = 0; s < c.channels.size(); ++s) middle.push_back(mid_channels(c, s));
  require<ValueError>(
      std::ranges::all_of(middle, [&](std::int64_t n) { return n % c.groups == 0; }),
      "network: groups: expected a divisor of the bottlenecks' middle channels {}, got {}",
      listed(middle), c.groups);
}

std::shared_ptr<Conv2d> make_conv(std::int64_t c_in, std::int64_t c_out, std::int64_t kernel,
                                  std::int64_t stride, bool bias = false) {
  return std::make_shared<Conv2d>(
      c_in, c_out, kernel,
      Conv2dLayerOptions{.stride = stride, .padding = kernel / 2, .bias = bias});
}

// Grouped stages are built of ResNeXt blocks, the others of ResNet blocks.
ModulePtr make_block(const ResNetConfig& config, std::size_t stage, std::int64_t c_in,
                     std::int64_t stride) {
  const std::int64_t c_out = config.channels[stage];
  const ResidualBlockOptions options{
      .stride = stride,
      .groups = config.groups,
      .bottleneck_ratio = 1,
      .mid_channels = mid_channels(config, stage),
      .single = config.block == BlockKind::single,
      .stride_in_first = config.stride_in_first,
      .activation = config.activation,
      .activated_shortcut = config.activated_shortcut,
      .downsample = make_shortcut(c_in, c_out, stride, config.shortcut,
                                  config.activation == Activation::post)};
  if (config.groups > 1) return std::make_shared<ResNeXtBlock>(c_in, c_out, options);
  return std::make_shared<ResNetBlock>(c_in, c_out, options);
}

// 3x3 (c_in -> c_out) with 2x2 max pooling: the transition that pools.
ModulePtr make_pooled_unit(std::int64_t c_in, std::int64_t c_out, Activation activation) {
  const auto conv = make_conv(c_in, c_out, 3, 1);
  const auto pool = std::make_shared<MaxPool2d>(Pool2dOptions{.kernel = 2});
  const auto relu = std::make_shared<ReLU>();
  if (activation == Activation::pre) {
    return std::make_shared<Sequential>(
        std::initializer_list<ModulePtr>{std::make_shared<BatchNorm2d>(c_in), relu, conv, pool});
  }
  return std::make_shared<Sequential>(
      std::initializer_list<ModulePtr>{conv, pool, std::make_shared<BatchNorm2d>(c_out), relu});
}

ModulePtr make_stage(const ResNetConfig& config, std::size_t stage, std::int64_t c_in) {
  const std::int64_t c_out = config.channels[stage];
  const bool strided = config.transition == Transition::stride && stage > 0;
  auto modules = std::make_shared<Sequential>();
  if (config.transition == Transition::pool) {
    modules->append(make_pooled_unit(c_in, c_out, config.activation));
    c_in = c_out;
  }
  for (std::int64_t b = 0; b < config.blocks[stage]; ++b) {
    modules->append(make_block(config, stage, b == 0 ? c_in : c_out, b == 0 && strided ? 2 : 1));
  }
  return modules;
}

void start_as_he(Module& module) {
  if (const auto* conv = dynamic_cast<Conv2d*>(&module)) init::he_normal_fan_in_(conv->weight());
}

void start_as_dirac(Module& module) {
  const auto* conv = dynamic_cast<Conv2d*>(&module);
  if (conv == nullptr || conv->weight().dim(2) == 1) return start_as_he(module);
  const Tensor weight = conv->weight();
  init::uniform_(weight, 1 / std::sqrt(static_cast<double>(init::fan_in(weight))));
  init::dirac_(weight, conv->options().groups);
}

void start_as_shortcut(Module& module) {
  if (auto* block = dynamic_cast<ResidualBlock*>(&module)) block->zero_init();
}

// The last thing to draw from the generator of the weights, which stay those of a network without.
void drop_paths(Module& net, double rate) {
  std::vector<ResidualBlock*> blocks;
  net.apply([&blocks](Module& module) {
    if (auto* block = dynamic_cast<ResidualBlock*>(&module)) blocks.push_back(block);
  });
  const auto last = static_cast<double>(blocks.size() - 1);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    blocks[i]->set_drop_path(last == 0 ? rate : rate * static_cast<double>(i) / last);
  }
}

void freeze_scale(Module& module) {
  const auto* norm = dynamic_cast<BatchNorm2d*>(&module);
  if (norm != nullptr) Tensor(norm->weight()).set_requires_grad(false);
}

}  // namespace

void validate(const ResNetConfig& c) {
  validate_numbers(c);
  validate_groups(c);
  if (c.shortcut == Shortcut::zero_pad && c.transition == Transition::stride) {
    require<ValueError>(
        c.stem_channels <= c.channels.front() && std::ranges::is_sorted(c.channels),
        "network: channels: expected numbers that do not fall from stem_channels={} on with "
        "shortcut=A, got {}",
        c.stem_channels, listed(c.channels));
  }
  require<ValueError>((!c.activated_shortcut && c.final_norm) || c.activation == Activation::pre,
                      "network: activated_shortcut, final_norm: expected activation=pre with "
                      "another choice than off and on, got activation={}",
                      name(c.activation));
  require<ValueError>(!c.activated_shortcut || c.shortcut == Shortcut::projection,
                      "network: activated_shortcut: expected shortcut=B with it, got shortcut={}",
                      name(c.shortcut));
  if (c.whiten_stem) {
    require<ValueError>(c.stem == Stem::cifar,
                        "network: whiten_stem: expected stem=cifar with it, got stem={}",
                        name(c.stem));
    require<ValueError>(c.stem_channels % 2 == 0,
                        "network: whiten_stem: expected an even number of stem_channels, got {}",
                        c.stem_channels);
  }
  require<ValueError>(
      !c.freeze_norm_scale || !c.zero_init_residual || c.activation == Activation::pre,
      "network: freeze_norm_scale: expected zero_init_residual=off with activation=post, got on: "
      "the blocks could not learn");
}

std::int64_t final_size(const ResNetConfig& config, std::int64_t image_size) {
  const auto halved = [](std::int64_t size) { return (size + 1) / 2; };  // by stride, with padding
  std::int64_t size = image_size;
  if (config.stem == Stem::imagenet) size = halved(halved(size));
  for (std::size_t s = 0; s < config.channels.size(); ++s) {
    if (config.transition == Transition::pool) {
      size /= 2;
    } else if (s > 0) {
      size = halved(size);
    }
  }
  require<ValueError>(size >= 1,
                      "network: images: expected enough pixels for stem={} and {} stages with "
                      "transition={}, got {} a side",
                      name(config.stem), config.channels.size(), name(config.transition),
                      image_size);
  return size;
}

ResNet::ResNet(const ResNetConfig& config) {
  validate(config);
  make_stem(config);
  std::int64_t channels = config.stem_channels;
  std::vector<ModulePtr> stages;
  for (std::size_t s = 0; s < config.channels.size(); ++s) {
    stages.push_back(
        register_module(fmt::format("stage{}", s + 1), make_stage(config, s, channels)));
    channels = config.channels[s];
  }
  if (config.activation == Activation::pre && config.final_norm) {
    register_module("norm",
                    std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
                        std::make_shared<BatchNorm2d>(channels), std::make_shared<ReLU>()}));
  }
  if (config.pool == Pooling::average) {
    register_module("pool", std::make_shared<GlobalAvgPool2d>());
  } else {
    register_module("pool", std::make_shared<GlobalMaxPool2d>());
  }
  register_module("flatten", std::make_shared<Flatten>());
  register_module("fc", std::make_shared<Linear>(channels, config.num_classes));
  if (config.logit_scale != 1) {
    register_module("scale", std::make_shared<Scale>(config.logit_scale));
  }
  start_as_he(*first_conv_);
  for (const ModulePtr& stage : stages) {
    stage->apply(config.init == Init::dirac ? start_as_dirac : start_as_he);
  }
  if (config.zero_init_residual) apply(start_as_shortcut);
  if (config.freeze_norm_scale) apply(freeze_scale);
  if (config.drop_path > 0) drop_paths(*this, config.drop_path);
}

void ResNet::make_stem(const ResNetConfig& config) {
  const bool imagenet = config.stem == Stem::imagenet, post = config.activation == Activation::post;
  first_conv_ = make_conv(kImageChannels, config.stem_channels, imagenet ? 7 : 3, imagenet ? 2 : 1,
                          config.whiten_stem);
  auto stem = register_module("stem", std::make_shared<Sequential>());
  stem->append(first_conv_);
  if (config.whiten_stem) {  // its outputs have variance 1 without a norm
    Tensor(first_conv_->weight()).set_requires_grad(false);
    first_conv_->bias().detach().zero_();
  } else if (post) {
    stem->append(std::make_shared<BatchNorm2d>(config.stem_channels));
  }
  if (post) stem->append(std::make_shared<ReLU>());
  if (imagenet) {
    stem->append(
        std::make_shared<MaxPool2d>(Pool2dOptions{.kernel = 3, .stride = 2, .padding = 1}));
  }
}

void ResNet::set_recompute_blocks(bool value) {
  apply([value](Module& module) {
    if (dynamic_cast<ResidualBlock*>(&module) != nullptr) set_recompute(module, value);
  });
}

Tensor ResNet::forward(const Tensor& x) {
  // Here once, since every layer keeps the memory format of its input and computes in this one.
  Tensor y = x.rank() == 4 ? to_memory_format(x, MemoryFormat::channels_last) : x;
  for (const auto& [name, child] : children()) y = (*child)(y);
  return y;
}

}  // namespace resgrad
