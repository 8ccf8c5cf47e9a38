// Settings of a run from a file: --config.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/settings.h"

namespace CLI {
class App;
}

namespace resgrad::cli {

/// The settings in a file, by their names with `-`: TOML (`batch-size = 64`; also `batch_size`) or
/// the JSON object of a run's args.json. A section named as the subcommand, `[train]`, is read as
/// well, those of other subcommands are not. Settings with empty text, as args.json has them, and
/// its `version` are left out.
/// Throws  CLI::ConfigError for a file that cannot be read or is damaged, and a setting given
///         twice.
nlohmann::ordered_json read_settings(const CLI::App& command, const std::string& file);

/// The same of a file with this text.
nlohmann::ordered_json parse_settings(const CLI::App& command, const std::string& text,
                                      const std::string& file);

/// Assigns what read_settings() read to the settings of the subcommand. `file` stands for it in
/// messages.
/// Throws  CLI::ConfigError for an unknown setting and a value that the setting does not take.
void apply_settings(const CLI::App& command, Settings& rows, const nlohmann::ordered_json& values,
                    const std::string& file);

/// Adds --config FILE to a subcommand: values of its settings as read_settings() reads them. To be
/// added before the flags, which then win over the file.
/// Throws  CLI::ConfigError, while parsing, as read_settings() and apply_settings() do.
void add_config_flag(CLI::App& command, const std::shared_ptr<Settings>& rows);

}  // namespace resgrad::cli
