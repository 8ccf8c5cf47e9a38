#include "models/layout.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "core/check.h"
#include "core/text.h"
#include "models/wrapped_names.h"
#include "nn/layers.h"

namespace resgrad::models {
namespace {

constexpr std::string_view kCounter = ".num_batches_tracked";

// The pre-activation networks that the code of a layout builds.
enum class PreActivation { none, without_final_norm, with_final_norm };

struct Layout {
  std::string_view name{}, prefix{};
  // Names. Of a block: {0} is its stage from 1, {2} from 0, {1} its number.
  std::string_view block = "layer{0}.{1}", first_conv = "conv1", norm = "bn", head = "fc";
  std::string_view shortcut =
      "downsample";  // of a projection with a norm, whose layers are 0 and 1
  std::string_view bare_projection{};
  bool head_is_conv = false;  // of 1x1
  // The networks that its code builds.
  bool post = true;
  PreActivation pre = PreActivation::none;
  bool zero_pad = false;   // also shortcut A
  std::size_t stages = 0;  // 0: any number
  bool bottlenecks = true, groups = false, cifar_stem = true, imagenet_stem = false;
};

constexpr std::array<Layout, 5> kLayouts = {{
    {.name = "torchvision", .groups = true, .imagenet_stem = true},
    {.name = "chenyaofo", .stages = 3, .bottlenecks = false},
    {.name = "akamaster",
     .prefix = "module.",
     .head = "linear",
     .shortcut = "shortcut",
     .zero_pad = true,
     .stages = 3,
     .bottlenecks = false},
    {.name = "kuangliu",
     .head = "linear",
     .shortcut = "shortcut",
     .bare_projection = "shortcut.0",
     .pre = PreActivation::without_final_norm,
     .stages = 4},
    {.name = "resnetv2",
     .block = "stages.{2}.blocks.{1}",
     .first_conv = "stem.conv",
     .norm = "norm",
     .head = "head.fc",
     .bare_projection = "downsample.conv",
     .head_is_conv = true,
     .post = false,
     .pre = PreActivation::with_final_norm,
     .cifar_stem = false,
     .imagenet_stem = true},
}};

const Layout& find_layout(std::string_view name) {
  const auto* found = std::ranges::find(kLayouts, name, &Layout::name);
  require<ValueError>(found != kLayouts.end(), "layout: expected one of {}, got {}",
                      fmt::join(layout_names(), ", "), name);
  return *found;
}

using Check = std::function<void(bool ok, std::string_view expected, std::string_view got)>;

void check_pre_activation(const Layout& layout, const ResNetConfig& config, const Check& check) {
  check(layout.pre != PreActivation::none, "post-activation blocks", "pre-activation");
  check(config.activated_shortcut,
        "projections that take the activated input of a block (activated_shortcut=on)",
        "projections that take the input itself");
  const bool final_norm = layout.pre == PreActivation::with_final_norm;
  check(config.final_norm == final_norm,
        final_norm ? "a norm behind the last stage (final_norm=on)"
                   : "no norm behind the last stage (final_norm=off)",
        config.final_norm ? "one" : "none");
  // its code gives the first bottleneck of a stage a projection even where no shape changes
  check(layout.name != "resnetv2" || config.block != BlockKind::bottleneck ||
            config.stem_channels != config.channels[0],
        "bottlenecks that change the number of channels behind the stem",
        fmt::format("{} in both", config.stem_channels));
}

void check_network(const Layout& layout, const ResNetConfig& config) {
  const Check check = [&layout](bool ok, std::string_view expected, std::string_view got) {
    require<ValueError>(ok, "layout {}: network: expected {}, got {}", layout.name, expected, got);
  };
  check(layout.zero_pad || config.shortcut == Shortcut::projection, "shortcut B (projection)",
        "shortcut A (zero padding)");
  if (config.activation == Activation::pre) {
    check_pre_activation(layout, config, check);
  } else {
    check(layout.post, "pre-activation blocks", "post-activation");
  }
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
  check(layout.cifar_stem || config.stem == Stem::imagenet, "the ImageNet stem", "the CIFAR stem");
}

std::int64_t number(std::string_view digits) {
  return number_in<std::int64_t>(digits).value_or(0);
}

// The layer of a main path: convolution, norm, ReLU, convolution, ...: layer 4 is bn2; or in
// pre-activation norm, ReLU, convolution, norm, ...: layer 5 is conv2.
std::string unit(const Layout& layout, Activation activation, std::int64_t layer) {
  const bool is_conv = layer % 3 == (activation == Activation::post ? 0 : 2);
  return fmt::format("{}{}", is_conv ? "conv" : layout.norm, layer / 3 + 1);
}

// Our names of the tensors of a network, such as stage2.0.main_path.3.weight, become those of the
// layout, without its prefix.
class Renaming {
 public:
  Renaming(const Layout& layout, Activation activation, const std::vector<NamedTensor>& state)
      : layout_(layout), activation_(activation) {
    for (const NamedTensor& t : state) {
      const std::size_t preact = t.name.find(".preact.");
      if (preact != t.name.npos) shared_preact_.insert(t.name.substr(0, preact));
    }
  }

  std::string operator()(std::string_view name) const {
    const std::vector<std::string_view> parts = split(name, '.');
    const std::string_view leaf = parts.back();
    if (parts[0] == "fc") return fmt::format("{}.{}", layout_.head, leaf);
    if (parts[0] == "norm") return fmt::format("{}.{}", layout_.norm, leaf);
    if (parts[0] == "stem") {
      return parts[1] == "0" ? fmt::format("{}.{}", layout_.first_conv, leaf)
                             : fmt::format("{}1.{}", layout_.norm, leaf);
    }
    const std::int64_t stage = number(parts[0].substr(std::string_view("stage").size()));
    return fmt::format("{}.{}.{}",
                       fmt::format(fmt::runtime(layout_.block), stage, parts[1], stage - 1),
                       in_block(parts), leaf);
  }

 private:
  std::string in_block(const std::vector<std::string_view>& parts) const {
    if (parts[2] == "shortcut") {
      return activation_ == Activation::post ? fmt::format("{}.{}", layout_.shortcut, parts[3])
                                             : std::string(layout_.bare_projection);
    }
    // two layers of the path stand in preact
    const bool behind_preact = parts[2] == "main_path" &&
                               shared_preact_.contains(fmt::format("{}.{}", parts[0], parts[1]));
    return unit(layout_, activation_, number(parts[3]) + (behind_preact ? 2 : 0));
  }

  const Layout& layout_;
  Activation activation_;
  std::set<std::string> shared_preact_;  // blocks
};

std::vector<NamedTensor> renamed_state(const Module& net, const ResNetConfig& config,
                                       const Layout& layout, std::string_view prefix) {
  check_network(layout, config);
  std::vector<NamedTensor> state = net.state_dict();
  std::erase_if(state, [](const NamedTensor& t) { return DropLayer::is_random_state(t.name); });
  const Renaming renamed(layout, config.activation, state);
  for (NamedTensor& t : state) {
    if (layout.head_is_conv && t.name == "fc.weight") {
      t.tensor = t.tensor.detach().view({t.tensor.dim(0), t.tensor.dim(1), 1, 1});
    }
    t.name = std::string(prefix) + renamed(t.name);
  }
  return state;
}

// Some names of a file, for a message.
std::string some_names(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const NamedTensor& t : tensors) names.push_back(t.name);
  return some_of(names, ", ");
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
  std::vector<NamedTensor> given = without_wrappers(state);
  for (const NamedTensor& t : own) {
    if (t.name.ends_with(kCounter) && !std::ranges::count(given, t.name, &NamedTensor::name)) {
      given.push_back(t);
    }
  }
  copy_state(fmt::format("layout {}", layout), own, given);
}

LayoutFacts read_layout_facts(std::string_view layout, const std::vector<NamedTensor>& state) {
  const Layout& l = find_layout(layout);
  const std::vector<NamedTensor> tensors = without_wrappers(state);
  const auto find = [&tensors](const std::string& name) {
    return std::ranges::find(tensors, name, &NamedTensor::name);
  };
  const auto shape = [&](std::string_view layer, std::size_t rank) {
    const auto found = find(fmt::format("{}.weight", layer));
    require<ValueError>(found != tensors.end(),
                        "layout {}: weights: expected a tensor {}.weight, found none among {}: {} "
                        "(another layout?)",
                        layout, layer, tensors.size(), some_names(tensors));
    require<ValueError>(found->tensor.shape().size() == rank,
                        "layout {}: {}.weight: expected a tensor of rank {}, got shape {}", layout,
                        layer, rank, found->tensor.shape());
    return found->tensor.shape();
  };
  const Shape first = shape(l.first_conv, 4), head = shape(l.head, l.head_is_conv ? 4 : 2);
  const bool projection = std::ranges::any_of(tensors, [&](const NamedTensor& t) {
    return t.name.find(fmt::format(".{}.", l.shortcut)) != std::string::npos;
  });
  LayoutFacts facts{
      .num_classes = head[0],
      .stem = first[3] == 7 ? Stem::imagenet : Stem::cifar,
      .shortcut = l.zero_pad && !projection ? Shortcut::zero_pad : Shortcut::projection};
  const bool stem_norm = find(fmt::format("{}1.weight", l.norm)) != tensors.end();
  if (l.pre != PreActivation::none && !(l.post && stem_norm)) {
    facts.activation = Activation::pre;
    facts.fields = {{"activated_shortcut", "on"},
                    {"final_norm", l.pre == PreActivation::with_final_norm ? "on" : "off"}};
  }
  return facts;
}

}  // namespace resgrad::models
