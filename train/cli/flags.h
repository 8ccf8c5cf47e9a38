// Settings as flags of the subcommands, and what several subcommands do with them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/registry.h"
#include "train/run_options.h"
#include "train/settings.h"

namespace CLI {
class App;
}

namespace resgrad::cli {

// Subcommands use CLI11 through these functions alone: it is inline throughout, and each source
// that includes it compiles all of its parser.

/// A new subcommand of `app`.
CLI::App& add_command(CLI::App& app, const std::string& name, const std::string& description);

/// The words that were given to the flag of that name.
std::vector<std::string> words_of(const CLI::App& command, const std::string& flag);

/// Calls `f` when the command was chosen, after parsing.
void on_chosen(CLI::App& command, std::function<void()> f);

/// Throws  CLI::ValidationError: what was given is not what the command takes.
[[noreturn]] void validation_error(const std::string& text);

/// The names of networks, and what their fields are.
NetworkWords network_words();

/// --tta, one of the names of Tta.
Setting tta_setting(std::string& tta);

/// --batch-size of a subcommand that runs a network without training it.
Setting batch_size_setting(std::int64_t& batch_size);

/// --json.
Setting json_setting(bool& json);

/// --dataset and --data-path of a subcommand that uses a weights file.
Settings checkpoint_data_settings(std::string& dataset, std::string& data_path);

/// --split: which images of a data set a subcommand with a weights file takes; see load_split().
Setting split_setting(std::string& split);

/// The weights file that a subcommand reads.
Setting checkpoint_setting(std::string& checkpoint);

/// Whose names for the tensors a subcommand reads or writes.
Setting layout_setting(std::string& layout);

/// Adds the settings to the command as flags, which keep them; `rows` is what was given after
/// parsing. A word that its setting does not take is a CLI::ValidationError.
void add_flags(CLI::App& command, const std::shared_ptr<Settings>& rows);

/// add_flags() for rows of its own. Returns them.
std::shared_ptr<Settings> add_flags(CLI::App& command, Settings rows);

/// Throws  CLI::ValidationError for a setting that was given without what it has an effect with.
/// `now` are the same rows, made after parsing.
void require_effect(const Settings& given, Settings now);

/// The number of threads that `flag` asks for, or the most that are used, which is said on standard
/// error then.
int at_most(std::string_view flag, int asked, int most);

/// Sets threads (0: OMP_NUM_THREADS, else one per core), instruction set and convolution engine.
/// Throws  ValueError for what this machine or build does not have.
void apply_machine_options(const MachineOptions& options);

/// The folder of the data: `path`, else $RESGRAD_DATA, else data-cache/ if it holds the data set.
/// Empty for the synthetic data set.
/// Throws  IoError that says how to get the data otherwise, ValueError for a data set that is none
///         of ours.
std::string find_data(const std::string& dataset, const std::string& path);

/// What models::make takes; `image_size` decides on the default stem. The weights are those of
/// `seed`.
models::Options model_options(const NetworkOptions& options, std::int64_t image_size,
                              std::int64_t num_classes, std::uint64_t seed = 0);

/// The network that `options` describe, for images of `image_size`.
/// Throws  CLI::ValidationError for one that is impossible.
ResNetConfig checked_network(const NetworkOptions& options, std::int64_t image_size,
                             std::int64_t num_classes);

/// The same network, with the model's own choices named. An unknown model stays as it is.
void resolve_network(NetworkOptions& options, std::int64_t image_size);

}  // namespace resgrad::cli
