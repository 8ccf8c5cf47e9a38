// resgrad models: the registry as a table, or one network with its fields.
#include <fmt/format.h>

#include <memory>

#include "core/parallel.h"
#include "models/models.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"

namespace resgrad::cli {
namespace {

struct ModelsFlags {
  bool describe = false;
  NetworkOptions network;
};

std::int64_t multiply_adds_of_image(Module& net) {
  set_num_threads(1);  // one small image: threads would mostly wait for each other
  return multiply_adds(net, {1, 3, kImageSize, kImageSize});
}

int print_models() {
  print_out("{:<20}{:>14}{:>18}  {:<6}{:<10}{}\n", "network", "parameters", "mult-adds", "order",
            "shortcut", "source");
  for (const models::Entry& entry : models::registry()) {
    const auto net = models::make(entry.name, {.initialise = false});
    print_out("{:<20}{:>14}{:>18}  {:<6}{:<10}{}\n", entry.name, net->parameter_count(),
              multiply_adds_of_image(*net), name(entry.config.activation),
              name(entry.config.shortcut), entry.source);
  }
  print_out("Counted for 10 classes, the CIFAR stem and one image of 3x32x32.\n");
  return 0;
}

int print_description(const ModelsFlags& flags, const ResNetConfig& config) {
  const auto net = models::make(config, 0, /*initialise=*/false);
  print_out("{}\n\n{}\n{:<20}{}\n{:<20}{} of one image of 3x32x32\n",
            models::describe(flags.network.model, config),
            models::to_table(models::to_fields(config)), "parameters", net->parameter_count(),
            "mult-adds", multiply_adds_of_image(*net));
  return 0;
}

Settings settings(ModelsFlags& flags) {
  Settings rows = {{.name = "describe",
                    .group = Group::output,
                    .help = "one network with all of its fields, instead of a table of all",
                    .value = &flags.describe}};
  append(rows, without(network_settings(flags.network, network_words()), {"recompute"}));
  for (Setting& row : rows) {
    if (row.name != "describe") row.only_with = {"with --describe", flags.describe};
  }
  return rows;
}

}  // namespace

void add_models(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ModelsFlags>();
  CLI::App& command =
      add_command(app, "models", "lists the networks with their sizes, or describes one");
  const auto given = add_flags(command, settings(*flags));
  on_chosen(command, [given, flags, &action] {
    require_effect(*given, settings(*flags));
    const ResNetConfig config = checked_network(flags->network, kImageSize, kClasses);
    action = [flags, config] {
      return flags->describe ? print_description(*flags, config) : print_models();
    };
  });
}

}  // namespace resgrad::cli
