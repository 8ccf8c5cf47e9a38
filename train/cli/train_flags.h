// What the subcommands that train share.
#pragma once

#include <memory>
#include <stop_token>

#include "models/resnet.h"
#include "train/checkpoint.h"
#include "train/run_options.h"
#include "train/trainer.h"

namespace resgrad::cli {

/// Gives lr and weight-decay, unless they were given, their defaults where those depend on the
/// optimiser.
void set_optimizer_defaults(Settings& given, RunOptions& options);

/// Throws  CLI::ValidationError for settings that do not go together, before data is read; with the
///         name of the `variant`, if there is one.
void check_settings(const RunOptions& options, const std::string& variant = "");

/// Found out before earlier results are moved or deleted, not by the first step.
/// Throws  ValueError for images that are too small for the network, and for a batch of which the
///         last batch norms see a single value per channel.
void require_fitting(const RunOptions& options, const data::Dataset& images);

struct BuiltNetwork {
  std::shared_ptr<ResNet> net;
  CheckpointInfo info;
};

/// The network that `options` name, as its training begins: with its initial weights or those of
/// options.weights, and its frozen parts. All of `ranks` call it.
/// Throws  what require_fitting(), models::make(), start_from() and freeze() throw.
BuiltNetwork build_network(const RunOptions& options, const data::DataSplits& data,
                           Communicator& ranks = Communicator::alone());

/// --dry-run: prints all settings, the size of the network and what a step takes. Returns the exit
/// code.
int print_dry_run(const RunOptions& options, const data::DataSplits& data,
                  const std::stop_token& stop);

/// Builds the network that `options` name and trains it on `data`, until a `stop` is requested,
/// on `ranks`.
TrainResult train_one(const RunOptions& options, const data::DataSplits& data, std::stop_token stop,
                      Communicator& ranks = Communicator::alone());

/// The exit code of runs in options.output_dir that were ended by `signal` (0: they were not).
/// Prints on standard error how to go on.
int stopped(int signal, const RunOptions& options);

}  // namespace resgrad::cli
