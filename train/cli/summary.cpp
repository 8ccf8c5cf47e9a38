// resgrad summary: torchinfo's table of a network or of one block.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "models/models.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/output.h"

namespace resgrad::cli {
namespace {

struct SummaryFlags {
  NetworkOptions network;
  std::int64_t num_classes = 10;
  std::string block;
  std::int64_t in_channels = 0, out_channels = 0, stride = 1, groups = 1, bottleneck_ratio = 4;
  Shape input_size;
  int depth = 3;
};

ModulePtr build_block(const SummaryFlags& flags) {
  const auto build = [&]<class Block>(std::type_identity<Block>) -> ModulePtr {
    typename Block::Options options{
        .stride = flags.stride, .groups = flags.groups, .bottleneck_ratio = flags.bottleneck_ratio};
    if (!flags.network.activation.empty()) {
      options.activation = models::parse_activation(flags.network.activation);
    }
    return std::make_shared<Block>(flags.in_channels, flags.out_channels, options);
  };
  return flags.block == "resnet" ? build(std::type_identity<ResNetBlock>())
                                 : build(std::type_identity<ResNeXtBlock>());
}

int print_summary(const SummaryFlags& flags) {
  Shape input_size = flags.input_size;
  ModulePtr module;
  if (!flags.block.empty()) {
    if (input_size.empty()) input_size = {1, flags.in_channels, 32, 32};
    module = build_block(flags);
  } else {
    if (input_size.empty()) input_size = {1, 3, 32, 32};
    models::Options options = model_options(flags.network, input_size[2], flags.num_classes);
    options.initialise = false;
    module = models::make(flags.network.model, options);
  }
  print_text(summary(*module, input_size, {.depth = flags.depth}));
  return 0;
}

Settings settings(SummaryFlags& flags) {
  const Condition network{"without --block", flags.block.empty()};
  const Condition block{"with --block", !flags.block.empty()};
  const auto of_block = [&](const char* name, const char* help, std::int64_t& value) -> Setting {
    return {.name = name,
            .group = Group::network,
            .help = help,
            .value = &value,
            .limits = IntegerRange{1},
            .default_text = value == 0 ? "none" : "",
            .only_with = block};
  };
  Settings rows = without(network_settings(flags.network, network_words()),
                          {"block", "groups", "bottleneck-ratio", "recompute"});
  append(rows, {{.name = "num-classes",
                 .group = Group::network,
                 .help = "outputs of the network",
                 .value = &flags.num_classes,
                 .limits = IntegerRange{1}}});
  for (Setting& row : rows) {
    if (row.name != "activation") row.only_with = network;
  }
  append(rows, {{.name = "block",
                 .group = Group::network,
                 .help = "a single block instead of a network, with its channels",
                 .value = &flags.block,
                 .limits =
                     [] {
                       return std::vector<std::string>{"resnet", "resnext"};
                     }},
                of_block("in-channels", "channels of the input", flags.in_channels),
                of_block("out-channels", "channels of the output", flags.out_channels),
                of_block("stride", "stride of the block", flags.stride),
                of_block("groups", "groups of the 3x3 convolution", flags.groups),
                of_block("bottleneck-ratio", "output channels over those between; 1: basic block",
                         flags.bottleneck_ratio),
                {.name = "input-size",
                 .group = Group::data,
                 .help = "sizes of the input",
                 .value = &flags.input_size,
                 .limits = IntegerRange{1},
                 .default_text = "1,3,32,32; block: 1,in-channels,32,32",
                 .placeholder = "N,C,H,W"},
                {.name = "depth",
                 .group = Group::output,
                 .help = "levels of nested modules to show",
                 .value = &flags.depth,
                 .limits = IntegerRange{1}}});
  return rows;
}

}  // namespace

void add_summary(CLI::App& app, Action& action) {
  auto flags = std::make_shared<SummaryFlags>();
  CLI::App& command = add_command(app, "summary", "prints the layers of a network or block");
  const auto given = add_flags(command, settings(*flags));
  on_chosen(command, [given, flags, &action] {
    require_effect(*given, settings(*flags));
    if (!flags->input_size.empty() && flags->input_size.size() != 4) {
      validation_error(
          fmt::format("--input-size: expected four sizes N,C,H,W, got {}", flags->input_size));
    }
    if (!flags->block.empty() && (flags->in_channels == 0 || flags->out_channels == 0)) {
      validation_error("--block: expected --in-channels and --out-channels with it");
    }
    action = [flags] { return print_summary(*flags); };
  });
}

}  // namespace resgrad::cli
