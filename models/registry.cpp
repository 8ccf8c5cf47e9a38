#include "models/registry.h"

#include <algorithm>

#include "nn/init.h"

namespace resgrad::models {
namespace {

const char* const kHe2015 = "He et al. 2015, arXiv:1512.03385";
const char* const kHe2016 = "He et al. 2016, arXiv:1603.05027";
const char* const kXie2017 = "Xie et al. 2017, arXiv:1611.05431";

// Depth 6n + 2: three stages of n basic blocks on 16, 32 and 64 channels (He 2015, section 4.2).
ResNetConfig cifar_basic(std::int64_t depth, Activation activation) {
  const std::int64_t n = (depth - 2) / 6;
  return {.stem_channels = 16,
          .stages = {{n, 16, 0}, {n, 32, 0}, {n, 64, 0}},
          .activation = activation,
          .shortcut = Shortcut::zero_pad};
}

// Depth 9n + 2: three stages of n bottleneck blocks on 64, 128 and 256 channels (He 2016, table 4).
ResNetConfig cifar_bottleneck(std::int64_t depth) {
  const std::int64_t n = (depth - 2) / 9;
  return {.stem_channels = 16,
          .stages = {{n, 64, 16}, {n, 128, 32}, {n, 256, 64}},
          .stride_in_first = true,
          .activation = Activation::pre};
}

// Four stages of basic blocks on 64 to 512 channels.
ResNetConfig basic(std::vector<std::int64_t> blocks, Activation activation) {
  return {
      .stages = {{blocks[0], 64, 0}, {blocks[1], 128, 0}, {blocks[2], 256, 0}, {blocks[3], 512, 0}},
      .activation = activation};
}

// Four stages of bottleneck blocks on 256 to 2048 channels; `width` is the first stage's middle.
// Blocks of ResNeXt start as their shortcuts: otherwise the loss grows in the first steps at the
// usual learning rate of 0.1, even when it is warmed up.
ResNetConfig bottleneck(std::vector<std::int64_t> blocks, std::int64_t groups, std::int64_t width) {
  return {.stages = {{blocks[0], 256, width},
                     {blocks[1], 512, 2 * width},
                     {blocks[2], 1024, 4 * width},
                     {blocks[3], 2048, 8 * width}},
          .groups = groups,
          .zero_init_residual = groups > 1};
}

// ResNeXt-29: three stages of three blocks on 256, 512 and 1024 channels (Xie 2017, section 5.3).
ResNetConfig resnext29(std::int64_t groups, std::int64_t group_width) {
  const std::int64_t width = groups * group_width;
  return {.stages = {{3, 256, width}, {3, 512, 2 * width}, {3, 1024, 4 * width}},
          .groups = groups,
          .zero_init_residual = true};
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
  add("resnet50", kHe2015, bottleneck({3, 4, 6, 3}, 1, 64));
  add("resnet101", kHe2015, bottleneck({3, 4, 23, 3}, 1, 64));
  add("resnet152", kHe2015, bottleneck({3, 8, 36, 3}, 1, 64));
  add("resnext29_32x4d", kXie2017, resnext29(32, 4));
  add("resnext29_4x64d", kXie2017, resnext29(4, 64));
  add("resnext29_8x64d", kXie2017, resnext29(8, 64));
  add("resnext29_16x64d", kXie2017, resnext29(16, 64));
  add("resnext50_32x4d", kXie2017, bottleneck({3, 4, 6, 3}, 32, 128));
  add("resnext101_32x8d", kXie2017, bottleneck({3, 4, 23, 3}, 32, 256));
  return all;
}

[[noreturn]] void unknown(std::string_view what, std::string_view known, std::string_view got) {
  throw ValueError(fmt::format("{}: expected one of {}, got {}", what, known, got));
}

}  // namespace

const std::vector<Entry>& registry() {
  static const std::vector<Entry> all = build_registry();
  return all;
}

ResNetConfig configure(std::string_view name, const Options& options) {
  const auto found = std::ranges::find(registry(), name, &Entry::name);
  if (found == registry().end()) {
    std::vector<std::string> names;
    for (const Entry& entry : registry()) names.push_back(entry.name);
    unknown("model", fmt::format("{}", fmt::join(names, ", ")), name);
  }
  ResNetConfig config = found->config;
  config.num_classes = options.num_classes;
  config.activation = options.activation.value_or(config.activation);
  config.shortcut = options.shortcut.value_or(config.shortcut);
  config.stem = options.stem.value_or(config.stem);
  config.zero_init_residual = options.zero_init_residual.value_or(config.zero_init_residual);
  return config;
}

std::shared_ptr<ResNet> make(std::string_view name, const Options& options) {
  const init::InitScope scope(options.seed, !options.initialise);
  return std::make_shared<ResNet>(configure(name, options));
}

Stem default_stem(std::int64_t image_size) {
  return image_size <= 64 ? Stem::cifar : Stem::imagenet;
}

Activation parse_activation(std::string_view text) {
  if (text == "post") return Activation::post;
  if (text == "pre") return Activation::pre;
  unknown("activation", "post, pre", text);
}

Shortcut parse_shortcut(std::string_view text) {
  if (text == "A") return Shortcut::zero_pad;
  if (text == "B") return Shortcut::projection;
  unknown("shortcut", "A, B", text);
}

Stem parse_stem(std::string_view text) {
  if (text == "cifar") return Stem::cifar;
  if (text == "imagenet") return Stem::imagenet;
  unknown("stem", "cifar, imagenet", text);
}

}  // namespace resgrad::models
