#include "models/layout.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/check.h"
#include "nn/layers.h"

namespace resgrad::models {
namespace {

constexpr std::string_view kModule = "module.", kCounter = ".num_batches_tracked";

struct Layout {
  std::string_view name, prefix, shortcut, head;
  // which networks its code builds
  bool zero_pad;       // also shortcut A
  std::size_t stages;  // 0: any number
  bool bottlenecks, groups, imagenet_stem;
};

constexpr std::array<Layout, 4> kLayouts = {{
    {"torchvision", "", "downsample", "fc", false, 0, true, true, true},
    {"chenyaofo", "", "downsample", "fc", false, 3, false, false, false},
    {"akamaster", kModule, "shortcut", "linear", true, 3, false, false, false},
    {"kuangliu", "", "shortcut", "linear", false, 4, true, false, false},
}};

const Layout& find_layout(std::string_view name) {
  const auto* found = std::ranges::find(kLayouts, name, &Layout::name);
  require<ValueError>(found != kLayouts.end(), "layout: expected one of {}, got {}",
                      fmt::join(layout_names(), ", "), name);
  return *found;
}

void check_network(const Layout& layout, const ResNetConfig& config) {
  const auto check = [&layout](bool ok, std::string_view expected, std::string_view got) {
    require<ValueError>(ok, "layout {}: network: expected {}, got {}", layout.name, expected, got);
  };
  check(config.activation == Activation::post, "post-activation blocks", "pre-activation");
  check(layout.zero_pad || config.shortcut == Shortcut::projection, "shortcut B (projection)",
        "shortcut A (zero padding)");
  check(!config.stride_in_first, "the stride of a bottleneck in its 3x3 convolution",
        "it in the first 1x1");
  check(layout.stages == 0 || config.channels.size() == layout.stages,
        fmt::format("{} stages", layout.stages), fmt::format("{}", config.channels.size()));
  check(config.block != BlockKind::single, "blocks of two or three convolutions", "of one");
  check(layout.bottlenecks || config.block == BlockKind::basic, "basic blocks", "bottlenecks");
  check(layout.groups || config.groups == 1, "convolutions without groups",
        fmt::format("{} groups", config.groups));
  check(config.transition == Transition::stride, "stages that begin with a stride",
        "with a pooled convolution");
  check(!config.whiten_stem, "a trained stem", "a whitening stem");
  check(config.pool == Pooling::average, "average pooling", "maximum pooling");
  check(config.logit_scale == 1, "logits that are not scaled",
        fmt::format("them times {}", config.logit_scale));
  check(layout.imagenet_stem || config.stem == Stem::cifar, "the CIFAR stem", "the ImageNet stem");
}

std::vector<std::string_view> split(std::string_view name) {
  std::vector<std::string_view> parts;
  for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.')) {
    parts.push_back(name.substr(0, dot));
    name.remove_prefix(dot + 1);
  }
  parts.push_back(name);
  return parts;
}

// The layers of a stem or main path are convolution, norm, ReLU, convolution, ...: layer 4 is bn2.
std::string unit(std::string_view layer) {
  int index = 0;
  std::from_chars(layer.data(), layer.data() + layer.size(), index);
  return fmt::format("{}{}", index % 3 == 0 ? "conv" : "bn", index / 3 + 1);
}

// Our name of a tensor of a post-activation network, such as stage2.0.main_path.3.weight, in the
// layout, without its prefix.
std::string renamed(const Layout& layout, std::string_view name) {
  const std::vector<std::string_view> parts = split(name);
  const std::string_view leaf = parts.back();
  if (parts[0] == "fc") return fmt::format("{}.{}", layout.head, leaf);
  if (parts[0] == "stem") return fmt::format("{}.{}", unit(parts[1]), leaf);
  return fmt::format(
      "layer{}.{}.{}.{}", parts[0].substr(std::string_view("stage").size()), parts[1],
      parts[2] == "main_path" ? unit(parts[3]) : fmt::format("{}.{}", layout.shortcut, parts[3]),
      leaf);
}

std::vector<NamedTensor> renamed_state(const Module& net, const ResNetConfig& config,
                                       const Layout& layout, std::string_view prefix) {
  check_network(layout, config);
  std::vector<NamedTensor> state = net.state_dict();
  std::erase_if(state, [](const NamedTensor& t) { return DropLayer::is_random_state(t.name); });
  for (NamedTensor& t : state) t.name = std::string(prefix) + renamed(layout, t.name);
  return state;
}

std::vector<NamedTensor> without_module(std::vector<NamedTensor> state) {
  if (std::ranges::all_of(state,
                          [](const NamedTensor& t) { return t.name.starts_with(kModule); })) {
    for (NamedTensor& t : state) t.name.erase(0, kModule.size());
  }
  return state;
}

}  // namespace

std::vector<std::string> layout_names() {
  std::vector<std::string> names;
  for (const Layout& layout : kLayouts) names.emplace_back(layout.name);
  return names;
}

std::vector<NamedTensor> state_in_layout(const Module& net, const ResNetConfig& config,
                                         std::string_view layout) {
  const Layout& l = find_layout(layout);
  return renamed_state(net, config, l, l.prefix);
}

void load_state_in_layout(Module& net, const ResNetConfig& config, std::string_view layout,
                          const std::vector<NamedTensor>& state) {
  const std::vector<NamedTensor> own = renamed_state(net, config, find_layout(layout), "");
  std::vector<NamedTensor> given = without_module(state);
  for (const NamedTensor& t : own) {
    if (t.name.ends_with(kCounter) && !std::ranges::count(given, t.name, &NamedTensor::name)) {
      given.push_back(t);
    }
  }
  copy_state(fmt::format("layout {}", layout), own, given);
}

LayoutFacts read_layout_facts(std::string_view layout, const std::vector<NamedTensor>& state) {
  const Layout& l = find_layout(layout);
  const std::vector<NamedTensor> tensors = without_module(state);
  const auto shape = [&](const std::string& name, std::size_t rank) {
    const auto found = std::ranges::find(tensors, name, &NamedTensor::name);
    require<ValueError>(found != tensors.end(),
                        "layout {}: weights: expected a tensor {}, found none among {} (another "
                        "layout?)",
                        layout, name, tensors.size());
    require<ValueError>(found->tensor.shape().size() == rank,
                        "layout {}: {}: expected a tensor of rank {}, got shape {}", layout, name,
                        rank, found->tensor.shape());
    return found->tensor.shape();
  };
  const Shape first = shape("conv1.weight", 4), head = shape(fmt::format("{}.weight", l.head), 2);
  const bool projection = std::ranges::any_of(tensors, [&](const NamedTensor& t) {
    return t.name.find(fmt::format(".{}.", l.shortcut)) != std::string::npos;
  });
  return {.num_classes = head[0],
          .stem = first[3] == 7 ? Stem::imagenet : Stem::cifar,
          .shortcut = l.zero_pad && !projection ? Shortcut::zero_pad : Shortcut::projection};
}

}  // namespace resgrad::models
