// Settings of a run from a file: --config.
#pragma once

#include <CLI/CLI.hpp>

namespace resgrad::cli {

/// Adds --config FILE to a subcommand: settings for its flags, without the dashes in front, as
/// lines `batch-size = 64` (TOML or INI without sections, read by CLI11) or as the JSON object of a
/// run's args.json. `_` may stand for `-`. Flags on the command line win over the file. Settings
/// with empty text, as args.json has them, and its `version` are left out. Throws CLI::ConfigError,
/// while parsing, for a file that cannot be read or is damaged, an unknown
///         setting or one given twice, and a value that the flag does not take.
void add_config_flag(CLI::App& command);

}  // namespace resgrad::cli
