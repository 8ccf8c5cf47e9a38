// resgrad summary: torchinfo's table of a network or of one block.
#include <fmt/format.h>

#include <memory>

#include "models/models.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/output.h"

namespace resgrad::cli {
namespace {

struct SummaryFlags {
  ModelFlags network;
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
  require<ValueError>(input_size.empty() || input_size.size() == 4,
                      "--input-size: expected four sizes N,C,H,W, got {}", input_size);
  ModulePtr module;
  if (!flags.block.empty()) {
    require<ValueError>(flags.in_channels > 0 && flags.out_channels > 0,
                        "--block: expected --in-channels and --out-channels of at least 1, got {} "
                        "and {}",
                        flags.in_channels, flags.out_channels);
    if (input_size.empty()) input_size = {1, flags.in_channels, 32, 32};
    module = build_block(flags);
  } else {
    const ModelFlags& f = flags.network;
    if (input_size.empty()) input_size = {1, 3, 32, 32};
    models::Options options =
        model_options(f.activation, f.shortcut, f.stem, input_size[2], f.num_classes);
    options.initialise = false;
    module = models::make(f.model, options);
  }
  print_text(summary(*module, input_size, {.depth = flags.depth}));
  return 0;
}

}  // namespace

void add_summary(CLI::App& app, Action& action) {
  auto flags = std::make_shared<SummaryFlags>();
  CLI::App* command = app.add_subcommand("summary", "prints the layers of a network or block");
  add_network_flags(*command, flags->network);
  command->add_option("--block", flags->block, "a single block instead of a network")
      ->check(CLI::IsMember({"resnet", "resnext"}));
  command->add_option("--in-channels", flags->in_channels, "of the block");
  command->add_option("--out-channels", flags->out_channels, "of the block");
  command->add_option("--stride", flags->stride, "of the block")->capture_default_str();
  command->add_option("--groups", flags->groups, "of the block")->capture_default_str();
  command->add_option("--bottleneck-ratio", flags->bottleneck_ratio, "of the block")
      ->capture_default_str();
  command
      ->add_option("--input-size", flags->input_size,
                   "N,C,H,W [default: 1,3,32,32; block: 1,in-channels,32,32]")
      ->delimiter(',');
  command->add_option("--depth", flags->depth, "levels of nested modules to show")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--num-classes", flags->network.num_classes, "outputs of the network")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->callback([flags, &action] { action = [flags] { return print_summary(*flags); }; });
}

}  // namespace resgrad::cli
