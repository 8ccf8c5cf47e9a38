// The network of a weights file, for the subcommands that use one.
#pragma once

#include <filesystem>
#include <memory>

#include "data/dataset.h"
#include "data/normalise.h"
#include "models/description.h"
#include "train/checkpoint.h"
#include "train/run_options.h"

namespace resgrad::cli {

/// Those of CIFAR-10, where no images are read: they decide on the stem where nothing else does.
constexpr std::int64_t kImageSize = 32, kClasses = 10;

struct LoadedNetwork {
  CheckpointInfo info;
  ResNetConfig config;
  std::shared_ptr<ResNet> net;  ///< in evaluation mode
  data::Normalisation normalisation;
};

/// What a weights file says about its network.
/// Throws  ValueError for a network that is unknown or impossible.
ResNetConfig network_of(const CheckpointInfo& info);

/// Reads what `checkpoint` says about its network, and the weights, under our names where the file
/// has those of a layout.
/// Throws  as read_checkpoint() and models::load_state_in_layout(); of a file of another kind the
///         error says what to do.
Checkpoint read_network(const std::filesystem::path& checkpoint);

/// Gives `options` the network of a weights file, where neither its model nor the field is among
/// what was `given`.
/// Throws  ValueError for a field that train has no flag for.
void take_network(NetworkOptions& options, const CheckpointInfo& info, Settings& given);

/// Fields of the network that a weights file has no words of its own for, as CheckpointInfo has
/// them.
std::string other_fields(models::Fields fields);

/// Builds the network that `checkpoint` names and loads its weights.
/// Throws  what read_checkpoint(), models::make() and Module::load_state_dict() throw; of a file of
///         another kind the error says what to do.
LoadedNetwork load_network(const std::filesystem::path& checkpoint);

/// Height and width of the images that the network is for: those of the training, 32 for the small
/// data sets and stems, else kImageNetSize.
std::int64_t image_size(const CheckpointInfo& info);
constexpr std::int64_t kImageNetSize = 224;

/// Where a run keeps its settings, beside its weights.
std::filesystem::path settings_file(const std::filesystem::path& checkpoint);

/// The images that `split` names. "test": the test set of `dataset` and `data_path` (empty: those
/// of the training), own images as the network takes them, with its classes. "train": those that
/// the run trained on; "val": those that it evaluated in their place, held out by --val-split, or
/// of a folder its part val. The settings of the run are those in the file, else those in an
/// args.json beside it. Prints the warnings about them on standard error.
/// Throws  as load_data(); for "train" and "val" ValueError when there are no settings, when the
///         images are of another data set than `dataset`, and for "val" of a run that held nothing
///         out.
std::shared_ptr<const data::Dataset> load_split(const std::filesystem::path& checkpoint,
                                                const CheckpointInfo& info, std::string_view split,
                                                const std::string& dataset,
                                                const std::string& data_path);

/// The names of the classes of the network's outputs.
std::vector<std::string> class_names(const CheckpointInfo& info);

/// What to do about a file that is not the weights file that was expected, as the end of a
/// sentence:
/// "; ..." with a command, or nothing.
std::string advice(const std::filesystem::path& file);

/// "mean R, G, B, deviation R, G, B" for people.
std::string to_text(const data::Normalisation& normalisation);

}  // namespace resgrad::cli
