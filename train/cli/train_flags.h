// What train and compare share.
#pragma once

#include <CLI/CLI.hpp>

#include "train/run_options.h"
#include "train/trainer.h"

namespace resgrad::cli {

/// The flags of train beside the network's and the output folder.
void add_train_flags(CLI::App& command, RunOptions& options);

/// Gives --lr and --weight-decay their defaults where those depend on --optimizer.
void set_optimizer_defaults(const CLI::App& command, RunOptions& options);

/// Builds the network that `options` name and trains it on `data`, until a `stop` is requested.
TrainResult train_one(const RunOptions& options, const data::DataSplits& data,
                      std::stop_token stop);

/// The exit code of runs that were ended by `signal` (0: they were not). Prints on standard error
/// how to go on.
int stopped(int signal);

}  // namespace resgrad::cli
