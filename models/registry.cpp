#include "models/registry.h"

#include <algorithm>

#include "nn/init.h"

namespace resgrad::models {
namespace {

const char* const kHe2015 = "He et al. 2015, arXiv:1512.03385";
const char* const kHe2016 = "He et al. 2016, arXiv:1603.05027";
const char* const kXie2017 = "Xie et al. 2017, arXiv:1611.05431";
const char* const kJordan2024 =
    "Jordan 2024, arXiv:2404.00498, with residual blocks, ReLU and 3x3 whitening";

// Depth 6n + 2: three stages of n basic blocks on 16, 32 and 64 channels (He 2015, section 4.2).
ResNetConfig cifar_basic(std::int64_t depth, Activation activation) {
  const std::int64_t n = (depth - 2) / 6;
  return {.stem_channels = 16,
          .blocks = {n, n, n},
          .channels = {16, 32, 64},
          .activation = activation,
          .shortcut = Shortcut::zero_pad};
}

// Depth 9n + 2: three stages of n bottleneck blocks on 64, 128 and 256 channels (He 2016, table 4).
ResNetConfig cifar_bottleneck(std::int64_t depth) {
  const std::int64_t n = (depth - 2) / 9;
  return {.stem_channels = 16,
          .block = BlockKind::bottleneck,
          .blocks = {n, n, n},
          .channels = {64, 128, 256},
          .stride_in_first = true,
          .activation = Activation::pre};
}

// Four stages of basic blocks on 64 to 512 channels.
ResNetConfig basic(std::vector<std::int64_t> blocks, Activation activation) {
  return {.blocks = std::move(blocks), .channels = {64, 128, 256, 512}, .activation = activation};
}

// Four stages of bottleneck blocks on 256 to 2048 channels.
// Blocks of ResNeXt start as their shortcuts: otherwise the loss grows in the first steps at the
// usual learning rate of 0.1, even when it is warmed up.
ResNetConfig bottleneck(std::vector<std::int64_t> blocks, std::int64_t groups, std::int64_t ratio) {
  return {.block = BlockKind::bottleneck,
          .blocks = std::move(blocks),
          .channels = {256, 512, 1024, 2048},
          .bottleneck_ratio = ratio,
          .groups = groups,
          .zero_init_residual = groups > 1};
}

// ResNeXt-29: three stages of three blocks on 256, 512 and 1024 channels (Xie 2017, section 5.3).
ResNetConfig resnext29(std::int64_t groups, std::int64_t group_width) {
  const std::int64_t width = groups * group_width;
  return {.block = BlockKind::bottleneck,
          .blocks = {3, 3, 3},
          .channels = {256, 512, 1024},
          .mid_channels = {width, 2 * width, 4 * width},
          .groups = groups,
          .zero_init_residual = true};
}

// Eight layers with weights for fast training: pooled stages of one convolution and one residual
// block with another, on a whitening stem.
ResNetConfig fastresnet8() {
  return {.stem_channels = 32,
          .whiten_stem = true,
          .block = BlockKind::single,
          .blocks = {1, 1, 1},
          .channels = {64, 256, 256},
          .transition = Transition::pool,
          .pool = Pooling::max,
          .logit_scale = 1.0 / 9,
          .init = Init::dirac,
          .freeze_norm_scale = true};
}

std::vector<Entry> build_registry() {
  std::vector<Entry> all;
  const auto add = [&all](std::string name, const char* source, ResNetConfig config) {
    all.push_back({std::move(name), source, std::move(config)});
  };
  for (const std::int64_t depth : {20, 32, 44, 56, 110, 1202}) {
    add(fmt::format("resnet{}", depth), kHe2015, cifar_basic(depth, Activation::post));
  }
  for (const std::int64_t depth : {20, 56, 110}) {
    add(fmt::format("preact_resnet{}", depth), kHe2016, cifar_basic(depth, Activation::pre));
  }
  for (const std::int64_t depth : {164, 1001}) {
    add(fmt::format("preact_resnet{}", depth), kHe2016, cifar_bottleneck(depth));
  }
  add("resnet18", kHe2015, basic({2, 2, 2, 2}, Activation::post));
  add("resnet34", kHe2015, basic({3, 4, 6, 3}, Activation::post));
  add("preact_resnet18", kHe2016, basic({2, 2, 2, 2}, Activation::pre));
  add("resnet50", kHe2015, bottleneck({3, 4, 6, 3}, 1, 4));
  add("resnet101", kHe2015, bottleneck({3, 4, 23, 3}, 1, 4));
  add("resnet152", kHe2015, bottleneck({3, 8, 36, 3}, 1, 4));
  add("resnext29_32x4d", kXie2017, resnext29(32, 4));
  add("resnext29_4x64d", kXie2017, resnext29(4, 64));
  add("resnext29_8x64d", kXie2017, resnext29(8, 64));
  add("resnext29_16x64d", kXie2017, resnext29(16, 64));
  add("resnext50_32x4d", kXie2017, bottleneck({3, 4, 6, 3}, 32, 2));
  add("resnext101_32x8d", kXie2017, bottleneck({3, 4, 23, 3}, 32, 1));
  add("fastresnet8", kJordan2024, fastresnet8());
  return all;
}

}  // namespace

const std::vector<Entry>& registry() {
  static const std::vector<Entry> all = build_registry();
  return all;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Entry& entry : registry()) all.push_back(entry.name);
  return all;
}

ResNetConfig configure(std::string_view name, const Options& options) {
  const auto found = std::ranges::find(registry(), name, &Entry::name);
  if (found == registry().end()) {
    throw ValueError(
        fmt::format("model: expected one of {}, got {}", fmt::join(names(), ", "), name));
  }
  ResNetConfig config = found->config;
  config.num_classes = options.num_classes;
  config.activation = options.activation.value_or(config.activation);
  config.shortcut = options.shortcut.value_or(config.shortcut);
  config.stem = options.stem.value_or(config.stem);
  config.zero_init_residual = options.zero_init_residual.value_or(config.zero_init_residual);
  return with_fields(std::move(config), options.fields);
}

std::string describe(std::string_view name, const ResNetConfig& config) {
  const ResNetConfig own = configure(name, {.num_classes = config.num_classes});
  const auto suffices = [&](const Fields& fields) {
    try {
      return with_fields(own, fields) == config;
    } catch (const ValueError&) {
      return false;
    }
  };
  Fields fields = to_fields(config);
  for (const FieldInfo& info : field_infos()) {
    Fields fewer = fields;
    fewer.erase(info.name);
    if (suffices(fewer)) fields = fewer;
  }
  return fields.empty() ? std::string(name) : fmt::format("{} with {}", name, to_text(fields));
}

std::shared_ptr<ResNet> make(std::string_view name, const Options& options) {
  return make(configure(name, options), options.seed, options.initialise);
}

std::shared_ptr<ResNet> make(const ResNetConfig& config, std::uint64_t seed, bool initialise) {
  const init::InitScope scope(seed, !initialise);
  return std::make_shared<ResNet>(config);
}

Stem default_stem(std::int64_t image_size) {
  return image_size <= 64 ? Stem::cifar : Stem::imagenet;
}

}  // namespace resgrad::models
