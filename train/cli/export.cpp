// resgrad export: the weights of a network under the names of other PyTorch code.
#include <fmt/format.h>

#include <memory>

#include "models/layout.h"
#include "models/registry.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"

namespace resgrad::cli {
namespace {

struct ExportFlags {
  std::string checkpoint, layout, output;
};

int run_export(const ExportFlags& flags) {
  require_not_read("export", "--output", flags.output, {flags.checkpoint});
  const LoadedNetwork loaded = load_network(flags.checkpoint);
  Checkpoint weights{.info = loaded.info,
                     .model = models::state_in_layout(*loaded.net, loaded.config, flags.layout),
                     .optimizer = {}};
  weights.info.layout = flags.layout;
  write_checkpoint(flags.output, weights);
  print_out(
      "{}: {}, {} tensors in the layout of {}\ninputs: (value / 255 - mean) / deviation, {}\n",
      flags.output, models::describe(loaded.info.model, loaded.config), weights.model.size(),
      flags.layout, to_text(loaded.normalisation));
  return 0;
}

Settings settings(ExportFlags& flags) {
  return {checkpoint_setting(flags.checkpoint),
          layout_setting(flags.layout),
          {.name = "output",
           .group = Group::output,
           .help = "safetensors file to write",
           .value = &flags.output,
           .placeholder = "FILE",
           .required = true}};
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App& command = add_command(
      app, "export", "writes the weights under the names of torchvision and other PyTorch code");
  add_flags(command, settings(*flags));
  on_chosen(command, [flags, &action] { action = [flags] { return run_export(*flags); }; });
}

}  // namespace resgrad::cli
