// What train and compare share.
#pragma once

#include <CLI/CLI.hpp>

#include "train/run_options.h"
#include "train/trainer.h"

namespace resgrad::cli {

/// The flags of train beside the network's and the output folder.
void add_train_flags(CLI::App& command, RunOptions& options);

/// Builds the network that `options` name and trains it on `data`.
TrainResult train_one(const RunOptions& options, const DataSplits& data);

/// The exit code of a run that was ended by `signal` (0: it was not).
int exit_code(int signal);

}  // namespace resgrad::cli
