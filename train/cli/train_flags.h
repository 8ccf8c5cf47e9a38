// What train and compare share.
#pragma once

#include "train/run_options.h"
#include "train/trainer.h"

namespace resgrad::cli {

/// Gives lr and weight-decay, unless they were given, their defaults where those depend on the
/// optimiser.
void set_optimizer_defaults(Settings& given, RunOptions& options);

/// Throws  CLI::ValidationError for settings that do not go together, before data is read; with the
///         name of the `variant`, if there is one.
void check_settings(const RunOptions& options, const std::string& variant = "");

/// Builds the network that `options` name and trains it on `data`, until a `stop` is requested.
TrainResult train_one(const RunOptions& options, const data::DataSplits& data,
                      std::stop_token stop);

/// The exit code of runs in options.output_dir that were ended by `signal` (0: they were not).
/// Prints on standard error how to go on.
int stopped(int signal, const RunOptions& options);

}  // namespace resgrad::cli
