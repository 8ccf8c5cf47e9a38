// Checkpoints: one safetensors file with the network under `model.`, the optimiser under
// `optimizer.`, the averaged network under `ema.` and everything else in the metadata, with a
// checksum over all of it. Weights files are checkpoints without a training state; those in the
// layout of other code have its names for the tensors of the network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nn/module.h"
#include "train/log/metrics.h"

namespace resgrad {

struct TensorFile;

/// What a file says about its network. Text fields that were left to the family are empty.
struct CheckpointInfo {
  std::string model = {}, activation = {}, shortcut = {}, stem = {}, dataset = {};
  /// Fields of the network that are not its model's own, as models/description.h writes them.
  std::string network = {};
  /// What data::normalisation() takes; empty: that of the data set.
  std::string normalisation = {};
  std::int64_t num_classes = 10;
  /// Where the data set was the user's own; else none and 0: those of the data set.
  std::vector<std::string> class_names = {};
  std::int64_t image_size = 0;  ///< height and width
  bool exif_transpose = true;   ///< photographs were turned as their EXIF orientation says
  bool skip_damaged = false;    ///< damaged images were left out
  /// Whose names the tensors in `model` have, as models/layout.h knows them; empty: our own.
  std::string layout = {};
  std::int64_t epoch = 0;  ///< epochs that are finished, evaluation included
  std::int64_t step = 0;   ///< updates done
};

/// Where a training run stands, beside its tensors. Nothing here depends on time once an epoch or
/// the run is finished, so that equal runs end with equal files.
struct TrainState {
  std::int64_t epoch_step = 0;  ///< updates done of the epoch that has begun
  Meter loss, top1;             ///< of that epoch
  double seconds = 0;           ///< spent on the updates of that epoch; NaN: unknown
  double best_top1 = -1;
  std::int64_t best_step = 0;  ///< of its row; 0: there is none
  std::int64_t skipped = 0;    ///< updates that were left out since they were not finite
  std::int64_t train_images = 0;
  std::string data = {};  ///< describe() of run_data.h; empty in files of earlier versions
  std::vector<EpochMetrics> epochs;  ///< finished ones, without times
  std::string settings = "{}";       ///< result_settings()
  std::string machine;               ///< what the bits depend on beside the settings
};

struct Checkpoint {
  CheckpointInfo info;
  std::vector<NamedTensor> model, optimizer;
  std::optional<TrainState> state = {};  ///< nothing in a weights file
  std::vector<NamedTensor> ema = {};     ///< averages of the tensors in `model`, or none
  std::vector<NamedTensor> others = {};  ///< under their own names, not read back
};

/// The name of the n-th earlier file: last.safetensors, last.1.safetensors (n = 1), ...
std::filesystem::path previous_file(const std::filesystem::path& file, int n);

/// Writes the file atomically. With keep > 0 a file that is there becomes previous_file(file, 1),
/// that one number 2, and so on up to `keep`; when writing fails, all stay as they were. At any
/// moment there is a whole `file`, once there was one.
/// Throws  IoError that names the file and the reason.
void write_checkpoint(const std::filesystem::path& file, const Checkpoint& checkpoint,
                      int keep = 0);

/// What the metadata of such a `file` say about its network.
/// Throws  IoError for a field that is missing or no such value, and another format version.
CheckpointInfo parse_checkpoint_info(const std::map<std::string, std::string>& metadata,
                                     const std::filesystem::path& file);

/// A whole checkpoint as the bytes of a file, and back; `name` stands for the file in messages.
std::vector<std::byte> serialise_checkpoint(const Checkpoint& checkpoint);
Checkpoint parse_checkpoint(std::span<const std::byte> bytes, const std::filesystem::path& name);

/// How much of a checkpoint is read.
enum class CheckpointPart {
  all,      ///< but `others`
  network,  ///< `info` and `model`; optimiser and averages are passed over, though the checksum
            ///< counts them
  header,   ///< `info` and `state`; no tensors, whose damage is not noticed
};

/// Reads a checkpoint, opening the file once.
/// Throws  IoError when the file cannot be read, is damaged, has no checksum, is not of ours or of
///         another format version.
Checkpoint read_checkpoint(const std::filesystem::path& file,
                           CheckpointPart part = CheckpointPart::all);
/// The same from the `contents` of a `file`, which stands for it in messages.
Checkpoint parse_checkpoint(const TensorFile& contents, const std::filesystem::path& file,
                            CheckpointPart part = CheckpointPart::all);

/// The network alone: writes parameters and buffers of `net`, atomically.
/// Throws  IoError.
void save_weights(const std::filesystem::path& file, const Module& net, const CheckpointInfo& info);
/// Reads what the header says about the network.
/// Throws  IoError as read_checkpoint().
CheckpointInfo read_checkpoint_info(const std::filesystem::path& file);
/// Loads the weights into `net`.
/// Throws  IoError as read_checkpoint(), ValueError that lists every tensor that differs.
void load_weights(const std::filesystem::path& file, Module& net);

}  // namespace resgrad
