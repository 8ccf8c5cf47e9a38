// The network of a weights file, for the subcommands that use one.
#pragma once

#include <filesystem>
#include <memory>

#include "data/normalise.h"
#include "models/resnet.h"
#include "train/checkpoint.h"

namespace resgrad::cli {

struct LoadedNetwork {
  CheckpointInfo info;
  ResNetConfig config;
  std::shared_ptr<ResNet> net;  ///< in evaluation mode
  data::Normalisation normalisation;
};

/// Builds the network that `checkpoint` names and loads its weights. Throws what
/// read_checkpoint_info(), models::make() and load_weights() throw.
LoadedNetwork load_network(const std::filesystem::path& checkpoint);

/// "mean R, G, B, deviation R, G, B" for people.
std::string to_text(const data::Normalisation& normalisation);

}  // namespace resgrad::cli
