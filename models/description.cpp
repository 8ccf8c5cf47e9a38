#include "models/description.h"

#include <algorithm>

#include "core/text.h"

namespace resgrad::models {
namespace {

[[noreturn]] void refuse(std::string_view field, std::string_view expected, std::string_view got) {
  throw ValueError(fmt::format("{}: expected {}, got {}", field, expected, got));
}

template <const auto& table>
std::string alternatives() {
  return fmt::format("{}", fmt::join(names_in<table>(), "|"));
}

bool parse_switch(std::string_view field, std::string_view text) {
  if (text != "on" && text != "off") refuse(field, "one of on, off", text);
  return text == "on";
}

std::int64_t parse_integer(std::string_view field, std::string_view text) {
  const auto number = number_in<std::int64_t>(text);
  if (!number) refuse(field, "a whole number", text);
  return *number;
}

double parse_real(std::string_view field, std::string_view text) {
  const auto number = number_in<double>(text);
  if (!number) refuse(field, "a number", text);
  return *number;
}

std::vector<std::int64_t> parse_list(std::string_view field, std::string_view text) {
  std::vector<std::int64_t> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto number = number_in<std::int64_t>(text.substr(begin, end - begin));
    if (!number) refuse(field, "whole numbers with commas between them", text);
    numbers.push_back(*number);
    begin = end + 1;
  }
  return numbers;
}

std::string on_off(bool value) {
  return value ? "on" : "off";
}
std::string join(const std::vector<std::int64_t>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ","));
}

// The networks that a field is one of.
struct Scope {
  bool (*holds)(const ResNetConfig&);
  std::string_view expected;
  std::string (*got)(const ResNetConfig&);
};

bool has_bottlenecks(const ResNetConfig& c) {
  return c.block == BlockKind::bottleneck;
}
std::string block_of(const ResNetConfig& c) {
  return fmt::format("block={}", name(c.block));
}
constexpr Scope kBottlenecks{has_bottlenecks, "block=bottleneck", block_of};
constexpr Scope kRatio{
    [](const ResNetConfig& c) { return has_bottlenecks(c) && c.mid_channels.empty(); },
    "block=bottleneck", block_of};
constexpr Scope kMidChannels{
    [](const ResNetConfig& c) { return has_bottlenecks(c) && !c.mid_channels.empty(); },
    "block=bottleneck", block_of};
constexpr Scope kPreActivation{
    [](const ResNetConfig& c) { return c.activation == Activation::pre; }, "activation=pre",
    [](const ResNetConfig& c) { return fmt::format("activation={}", name(c.activation)); }};

struct Field {
  FieldInfo info;
  std::string (*get)(const ResNetConfig&);
  void (*set)(ResNetConfig&, std::string_view field, std::string_view text);
  const Scope* scope = nullptr;  // null: all networks

  bool applies(const ResNetConfig& c) const { return scope == nullptr || scope->holds(c); }
};

// In the order in which they are set: `block` before the fields of bottlenecks, `activation` before
// those of pre-activation.
const std::vector<Field>& table() {
  using C = ResNetConfig;
  using Text = std::string_view;
  static const std::vector<Field> all = {
      {{"block", alternatives<kBlockNames>(),
        "the residual blocks: two 3x3 convolutions; 1x1, 3x3 and 1x1; or one 3x3"},
       [](const C& c) -> std::string { return name(c.block); },
       [](C& c, Text f, Text t) {
         c.block = parse_in(kBlockNames, f, t);
         if (c.block == BlockKind::bottleneck) return;
         const C plain;
         c.bottleneck_ratio = plain.bottleneck_ratio;
         c.mid_channels = plain.mid_channels;
         c.stride_in_first = plain.stride_in_first;
       }},
      {{"blocks", "numbers such as 3,3,3", "the number of blocks of each stage"},
       [](const C& c) { return join(c.blocks); },
       [](C& c, Text f, Text t) { c.blocks = parse_list(f, t); }},
      {{"channels", "numbers such as 16,32,64", "the output channels of each stage"},
       [](const C& c) { return join(c.channels); },
       [](C& c, Text f, Text t) { c.channels = parse_list(f, t); }},
      {{"bottleneck_ratio", "a whole number",
        "output channels of a bottleneck divided by those of its 3x3 convolution"},
       [](const C& c) { return fmt::format("{}", c.bottleneck_ratio); },
       [](C& c, Text f, Text t) {
         c.bottleneck_ratio = parse_integer(f, t);
         c.mid_channels.clear();
       },
       &kRatio},
      {{"mid_channels", "numbers such as 64,128,256",
        "channels of the 3x3 convolution of the bottlenecks of each stage, instead of a ratio"},
       [](const C& c) { return join(c.mid_channels); },
       [](C& c, Text f, Text t) {
         c.mid_channels = parse_list(f, t);
         c.bottleneck_ratio = C{}.bottleneck_ratio;
       },
       &kMidChannels},
      {{"groups", "a whole number", "groups of the 3x3 convolution of bottlenecks"},
       [](const C& c) { return fmt::format("{}", c.groups); },
       [](C& c, Text f, Text t) { c.groups = parse_integer(f, t); }},
      {{"stride_in_first", "on|off",
        "the stride of bottlenecks in their first convolution, not in the 3x3"},
       [](const C& c) { return on_off(c.stride_in_first); },
       [](C& c, Text f, Text t) { c.stride_in_first = parse_switch(f, t); },
       &kBottlenecks},
      {{"activation", alternatives<kActivationNames>(),
        "order inside a block: convolution - norm - ReLU, or the reverse"},
       [](const C& c) -> std::string { return name(c.activation); },
       [](C& c, Text, Text t) {
         c.activation = parse_activation(t);
         if (c.activation == Activation::pre) return;
         c.activated_shortcut = C{}.activated_shortcut;
         c.final_norm = C{}.final_norm;
       }},
      {{"shortcut", alternatives<kShortcutNames>(),
        "where a block changes the shape: zero padding without parameters, or a 1x1 convolution"},
       [](const C& c) -> std::string { return name(c.shortcut); },
       [](C& c, Text, Text t) { c.shortcut = parse_shortcut(t); }},
      {{"activated_shortcut", "on|off",
        "pre-activation: 1x1 convolutions of shortcuts take the block's input behind its first "
        "norm "
        "and ReLU"},
       [](const C& c) { return on_off(c.activated_shortcut); },
       [](C& c, Text f, Text t) { c.activated_shortcut = parse_switch(f, t); },
       &kPreActivation},
      {{"final_norm", "on|off", "pre-activation: a norm and a ReLU behind the last stage"},
       [](const C& c) { return on_off(c.final_norm); },
       [](C& c, Text f, Text t) { c.final_norm = parse_switch(f, t); },
       &kPreActivation},
      {{"transition", alternatives<kTransitionNames>(),
        "how stages halve the size: by stride in the first block of all but the first stage, or by "
        "a "
        "3x3 convolution and max pooling before the blocks of each stage"},
       [](const C& c) -> std::string { return name(c.transition); },
       [](C& c, Text f, Text t) { c.transition = parse_in(kTransitionNames, f, t); }},
      {{"stem", alternatives<kStemNames>(),
        "the first layers: 3x3, stride 1; or 7x7, stride 2 and max pooling, stride 2"},
       [](const C& c) -> std::string { return name(c.stem); },
       [](C& c, Text, Text t) { c.stem = parse_stem(t); }},
      {{"stem_channels", "a whole number", "output channels of the stem"},
       [](const C& c) { return fmt::format("{}", c.stem_channels); },
       [](C& c, Text f, Text t) { c.stem_channels = parse_integer(f, t); }},
      {{"whiten_stem", "on|off",
        "the CIFAR stem whitens patches of the training images by frozen filters, with a bias"},
       [](const C& c) { return on_off(c.whiten_stem); },
       [](C& c, Text f, Text t) { c.whiten_stem = parse_switch(f, t); }},
      {{"pool", alternatives<kPoolingNames>(),
        "the pooling over all positions before the classifier"},
       [](const C& c) -> std::string { return name(c.pool); },
       [](C& c, Text f, Text t) { c.pool = parse_in(kPoolingNames, f, t); }},
      {{"logit_scale", "a number", "factor of the classifier's outputs"},
       [](const C& c) { return fmt::format("{}", c.logit_scale); },
       [](C& c, Text f, Text t) { c.logit_scale = parse_real(f, t); }},
      {{"num_classes", "a whole number", "outputs of the classifier"},
       [](const C& c) { return fmt::format("{}", c.num_classes); },
       [](C& c, Text f, Text t) { c.num_classes = parse_integer(f, t); }},
      {{"init", alternatives<kInitNames>(),
        "initial convolutions: He normal; or 3x3 convolutions of blocks that pass channels on"},
       [](const C& c) -> std::string { return name(c.init); },
       [](C& c, Text f, Text t) { c.init = parse_in(kInitNames, f, t); }},
      {{"zero_init_residual", "on|off", "blocks start as their shortcuts"},
       [](const C& c) { return on_off(c.zero_init_residual); },
       [](C& c, Text f, Text t) { c.zero_init_residual = parse_switch(f, t); }},
      {{"freeze_norm_scale", "on|off", "the weights of all norms stay at their initial values"},
       [](const C& c) { return on_off(c.freeze_norm_scale); },
       [](C& c, Text f, Text t) { c.freeze_norm_scale = parse_switch(f, t); }},
      {{"drop_path", "a number",
        "stochastic depth: probability that the last block is left out for a training image; it "
        "rises to that from 0 at the first block"},
       [](const C& c) { return fmt::format("{}", c.drop_path); },
       [](C& c, Text f, Text t) { c.drop_path = parse_real(f, t); }},
  };
  return all;
}

void check_names(const Fields& fields) {
  for (const Fields::value_type& given : fields) {
    const auto is_known = [&](const Field& field) { return field.info.name == given.first; };
    if (std::ranges::any_of(table(), is_known)) continue;
    std::vector<std::string_view> names;
    for (const Field& field : table()) names.push_back(field.info.name);
    refuse("network", fmt::format("fields among {}", fmt::join(names, ", ")), given.first);
  }
}

}  // namespace

const std::vector<FieldInfo>& field_infos() {
  static const std::vector<FieldInfo> all = [] {
    std::vector<FieldInfo> infos;
    for (const Field& field : table()) infos.push_back(field.info);
    return infos;
  }();
  return all;
}

Fields to_fields(const ResNetConfig& config) {
  Fields fields;
  for (const Field& field : table()) {
    if (field.applies(config)) fields[field.info.name] = field.get(config);
  }
  return fields;
}

ResNetConfig with_fields(ResNetConfig base, const Fields& fields) {
  check_names(fields);
  require<ValueError>(!fields.contains("bottleneck_ratio") || !fields.contains("mid_channels"),
                      "bottleneck_ratio, mid_channels: expected one of both, got {} and {}",
                      fields.contains("bottleneck_ratio") ? fields.at("bottleneck_ratio") : "",
                      fields.contains("mid_channels") ? fields.at("mid_channels") : "");
  for (const Field& field : table()) {
    const auto given = fields.find(field.info.name);
    if (given == fields.end()) continue;
    field.set(base, field.info.name, given->second);
    if (!field.applies(base)) {
      refuse(field.info.name, fmt::format("{} with it", field.scope->expected),
             field.scope->got(base));
    }
  }
  validate(base);
  return base;
}

std::string to_text(const Fields& fields) {
  std::vector<std::string> words;
  for (const Field& field : table()) {
    const auto found = fields.find(field.info.name);
    if (found != fields.end()) words.push_back(found->first + "=" + found->second);
  }
  return fmt::format("{}", fmt::join(words, " "));
}

std::string to_table(const Fields& fields) {
  std::string lines;
  for (const Field& field : table()) {
    const auto found = fields.find(field.info.name);
    if (found != fields.end()) lines += fmt::format("{:<20}{}\n", found->first, found->second);
  }
  return lines;
}

Fields parse_fields(std::string_view text) {
  Fields fields;
  for (std::size_t begin = text.find_first_not_of(' '); begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    const std::size_t equals = word.find('=');
    require<ValueError>(equals != word.npos, "network: expected words such as block=basic, got {}",
                        word);
    const auto [at, is_new] =
        fields.emplace(std::string(word.substr(0, equals)), word.substr(equals + 1));
    require<ValueError>(is_new, "network: {}: expected it once, got it again with {}", at->first,
                        word.substr(equals + 1));
    begin = std::min(text.find_first_not_of(' ', end), text.size());
  }
  return fields;
}

Activation parse_activation(std::string_view text) {
  return parse_in(kActivationNames, "activation", text);
}
Shortcut parse_shortcut(std::string_view text) {
  return parse_in(kShortcutNames, "shortcut", text);
}
Stem parse_stem(std::string_view text) {
  return parse_in(kStemNames, "stem", text);
}

}  // namespace resgrad::models
