// resgrad summary: torchinfo's table of a network or of one block.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
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
  std::int64_t in_channels = 0, out_channels = 0, stride = 1;
  Shape input_size;
  int depth = 3;
};

// A block by itself, in the place of a network: a name that no field of networks has.
bool is_single_block(const SummaryFlags& flags) {
  return flags.network.block == "resnet" || flags.network.block == "resnext";
}

ModulePtr build_block(const SummaryFlags& flags) {
  models::Fields fields = model_options(flags.network, 0, 1).fields;
  fields.erase("block");
  const ResNetConfig config = models::with_fields(
      {.block = BlockKind::bottleneck, .blocks = {1}, .channels = {flags.out_channels}}, fields);
  const auto build = [&]<class Block>(std::type_identity<Block>) -> ModulePtr {
    typename Block::Options options{.stride = flags.stride,
                                    .groups = config.groups,
                                    .bottleneck_ratio = config.bottleneck_ratio};
    if (!flags.network.activation.empty()) options.activation = config.activation;
    return std::make_shared<Block>(flags.in_channels, flags.out_channels, options);
  };
  return flags.network.block == "resnet" ? build(std::type_identity<ResNetBlock>())
                                         : build(std::type_identity<ResNeXtBlock>());
}

int print_block(const SummaryFlags& flags) {
  const Shape input_size =
      flags.input_size.empty() ? Shape{1, flags.in_channels, 32, 32} : flags.input_size;
  print_text(summary(*build_block(flags), input_size, {.depth = flags.depth}));
  return 0;
}

int print_network(const SummaryFlags& flags, const Shape& input_size, const ResNetConfig& config) {
  const auto net = models::make(config, 0, /*initialise=*/false);
  print_text(summary(*net, input_size, {.depth = flags.depth}));
  const bool by_fields = std::ranges::any_of(
      kNetworkFields, [&](const NetworkField& f) { return !(flags.network.*f.value).empty(); });
  if (by_fields) print_text("\n" + models::to_table(models::to_fields(config)));
  return 0;
}

Settings settings(SummaryFlags& flags) {
  const Condition network{"without --block resnet and resnext", !is_single_block(flags)};
  const Condition block{"with --block resnet or resnext", is_single_block(flags)};
  const auto of_block = [&](const char* name, const char* help, std::int64_t& value) -> Setting {
    return {.name = name,
            .group = Group::network,
            .help = help,
            .value = &value,
            .limits = IntegerRange{1},
            .default_text = value == 0 ? "none" : "",
            .only_with = block};
  };
  Settings rows = without(network_settings(flags.network, network_words()), {"recompute"});
  append(rows, {{.name = "num-classes",
                 .group = Group::network,
                 .help = "outputs of the network",
                 .value = &flags.num_classes,
                 .limits = IntegerRange{1}}});
  for (Setting& row : rows) row.only_with = network;
  for (const char* name : {"activation", "block", "groups", "bottleneck-ratio"}) {
    find(rows, name)->only_with = {};
  }
  find(rows, "block")->help =
      "the residual blocks: two 3x3 convolutions; 1x1, 3x3 and 1x1; or one 3x3. resnet and "
      "resnext: "
      "one such block by itself instead of a network, with its channels";
  find(rows, "block")->placeholder = "basic|bottleneck|single|resnet|resnext";
  find(rows, "groups")->default_text = "that of the model; of one block 1";
  find(rows, "bottleneck-ratio")->default_text = "that of the model; of one block 4, 1: two 3x3";
  append(rows, {of_block("in-channels", "channels of the input", flags.in_channels),
                of_block("out-channels", "channels of the output", flags.out_channels),
                of_block("stride", "stride of the block", flags.stride),
                {.name = "input-size",
                 .group = Group::data,
                 .help = "sizes of the input",
                 .value = &flags.input_size,
                 .limits = IntegerRange{1},
                 .default_text = "1,3,32,32; one block: 1,in-channels,32,32",
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
    if (is_single_block(*flags)) {
      if (flags->in_channels == 0 || flags->out_channels == 0) {
        validation_error(fmt::format(
            "--block {}: expected --in-channels and --out-channels with it", flags->network.block));
      }
      action = [flags] { return print_block(*flags); };
      return;
    }
    const Shape input_size = flags->input_size.empty() ? Shape{1, 3, 32, 32} : flags->input_size;
    const ResNetConfig config = checked_network(flags->network, input_size[2], flags->num_classes);
    action = [flags, input_size, config] { return print_network(*flags, input_size, config); };
  });
}

}  // namespace resgrad::cli
