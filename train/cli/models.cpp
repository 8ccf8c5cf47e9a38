// resgrad models: the registry as a table.
#include <fmt/format.h>

#include "core/parallel.h"
#include "models/models.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/output.h"

namespace resgrad::cli {
namespace {

int print_models() {
  const Shape input_size{1, 3, 32, 32};
  set_num_threads(1);  // one small image: threads would mostly wait for each other
  print_out("{:<20}{:>14}{:>18}  {:<6}{:<10}{}\n", "network", "parameters", "mult-adds", "order",
            "shortcut", "source");
  for (const models::Entry& entry : models::registry()) {
    const auto net = models::make(entry.name, {.initialise = false});
    print_out("{:<20}{:>14}{:>18}  {:<6}{:<10}{}\n", entry.name, net->parameter_count(),
              multiply_adds(*net, input_size), name(entry.config.activation),
              name(entry.config.shortcut), entry.source);
  }
  print_out("Counted for 10 classes, the CIFAR stem and one image of 3x32x32.\n");
  return 0;
}

}  // namespace

void add_models(CLI::App& app, Action& action) {
  CLI::App& command = add_command(app, "models", "lists the networks with their sizes");
  on_chosen(command, [&action] { action = print_models; });
}

}  // namespace resgrad::cli
