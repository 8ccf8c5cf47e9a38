// The command line as a whole: what main() calls.
#pragma once

#include <string>

namespace resgrad::cli {

/// Parses the arguments and runs the subcommand. Prints errors as one line on standard error.
/// Returns the exit code; 2 for a wrong flag, value or subcommand.
int run(int argc, const char* const* argv);

/// The command line of this run(), quoted for a shell, with `--resume auto` in the place of its own
/// --resume.
std::string resume_command();

}  // namespace resgrad::cli
