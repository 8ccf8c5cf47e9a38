// The command line as a whole: what main() calls.
#pragma once

#include <string>

#include "train/run_options.h"

namespace resgrad::cli {

/// Parses the arguments and runs the subcommand. Prints errors as one line on standard error.
/// Returns the exit code; 2 for a wrong flag, value or subcommand.
int run(int argc, const char* const* argv);

/// The words of run(), with a null pointer behind them.
const char* const* program_arguments();

/// A word of a command line as a shell takes it, in quotes where it must be.
std::string shell_quoted(const std::string& word);

/// The command line of this run() as it goes on, quoted for a shell: with the folders of `options`,
/// wherever they came from, and `--resume auto` in the place of its own.
std::string resume_command(const RunOptions& options);

}  // namespace resgrad::cli
