// Settings of a run from a file: --config.
#pragma once

#include <memory>

#include "train/settings.h"

namespace CLI {
class App;
}

namespace resgrad::cli {

/// Adds --config FILE to a subcommand: values of its settings, by their names with `_` or `-`, as
/// TOML (`batch-size = 64`) or as the JSON object of a run's args.json. A section named as the
/// subcommand, `[train]`, is read as well, those of other subcommands are not. To be added before
/// the flags, which then win over the file. Settings with empty text, as args.json has them, and
/// its `version` are left out.
/// Throws  CLI::ConfigError, while parsing, for a file that cannot be read or is damaged, an
///         unknown setting or one given twice, and a value that the setting does not take.
void add_config_flag(CLI::App& command, const std::shared_ptr<Settings>& rows);

}  // namespace resgrad::cli
