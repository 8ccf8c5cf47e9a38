// Flags that several subcommands share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "core/shape.h"
#include "models/registry.h"
#include "train/inference.h"
#include "train/run_options.h"

namespace resgrad::cli {

/// Which network to build.
struct ModelFlags {
  std::string model = "resnet20";
  std::string activation, shortcut, stem;
  std::int64_t num_classes = 10;
};

std::vector<std::string> model_names();

/// --model, --activation, --shortcut, --stem as fields of any struct that has them.
template <class Flags>
void add_network_flags(CLI::App& command, Flags& flags) {
  command.add_option("--model", flags.model, "network, see: resgrad models")
      ->check(CLI::IsMember(model_names()))
      ->capture_default_str();
  command
      .add_option("--activation", flags.activation,
                  "order inside the blocks [default: the family's own]")
      ->check(CLI::IsMember({"post", "pre"}));
  command
      .add_option("--shortcut", flags.shortcut,
                  "A: zero padding, B: projection [default: the family's own]")
      ->check(CLI::IsMember({"A", "B"}));
  command.add_option("--stem", flags.stem, "first layers [default: by input size]")
      ->check(CLI::IsMember({"cifar", "imagenet"}));
}

/// --recompute.
void add_recompute_flag(CLI::App& command, RunOptions& options);

/// --threads, --isa, --conv-engine.
void add_machine_flags(CLI::App& command, RunOptions& options);

/// --dataset and --data-path of a subcommand that uses a weights file.
void add_data_flags(CLI::App& command, RunOptions& options);

/// --tta none|flip.
void add_tta_flag(CLI::App& command, Tta& tta);

/// Sets threads, instruction set and convolution engine. Throws ValueError for what this machine
/// or build does not have.
void apply_machine_flags(const RunOptions& options);

/// The folder of the data: `path`, else $RESGRAD_DATA, else data-cache/ if it holds the data set.
/// Empty for the synthetic data set. Throws IoError that says how to get the data otherwise,
/// ValueError for a data set that is none of ours.
std::string find_data(const std::string& dataset, const std::string& path);

/// The options of models::make from the text of flags; `image_size` decides on the default stem.
models::Options model_options(const std::string& activation, const std::string& shortcut,
                              const std::string& stem, std::int64_t image_size,
                              std::int64_t num_classes);

}  // namespace resgrad::cli
