// Files of weights: the state of a network under the prefix `model.`, with what is needed to build
// the network again in the metadata.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "nn/module.h"

namespace resgrad {

/// What a weights file says about itself. Text fields that were left to the family are empty.
struct CheckpointInfo {
  std::string model = {}, activation = {}, shortcut = {}, stem = {}, dataset = {};
  /// What data::normalisation() takes; empty: that of the data set.
  std::string normalisation = {};
  std::int64_t num_classes = 10;
  std::int64_t epoch = 0, step = 0;
};

/// Writes the parameters and buffers of `net`, atomically. Throws IoError.
void save_weights(const std::filesystem::path& file, const Module& net, const CheckpointInfo& info);

/// Reads what the file says about itself. Throws IoError when it is damaged or not of ours.
CheckpointInfo read_checkpoint_info(const std::filesystem::path& file);

/// Loads the weights into `net`. Throws ValueError that lists every tensor that differs.
void load_weights(const std::filesystem::path& file, Module& net);

}  // namespace resgrad
