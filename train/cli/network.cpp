#include "train/cli/network.h"

#include <fmt/ranges.h>

#include "train/cli/flags.h"

namespace resgrad::cli {
namespace {

constexpr std::int64_t kImageSize = 32;  // decides on the stem where the file does not say

}  // namespace

LoadedNetwork load_network(const std::filesystem::path& checkpoint) {
  const CheckpointInfo info = read_checkpoint_info(checkpoint);
  models::Options options = model_options({.model = info.model,
                                           .activation = info.activation,
                                           .shortcut = info.shortcut,
                                           .stem = info.stem},
                                          kImageSize, info.num_classes);
  options.initialise = false;
  LoadedNetwork loaded{.info = info,
                       .config = models::configure(info.model, options),
                       .net = models::make(info.model, options),
                       .normalisation = data::normalisation(info.normalisation)};
  load_weights(checkpoint, *loaded.net);
  loaded.net->eval();
  return loaded;
}

std::string to_text(const data::Normalisation& normalisation) {
  return fmt::format("mean {}, deviation {}", fmt::join(normalisation.mean, ", "),
                     fmt::join(normalisation.std, ", "));
}

}  // namespace resgrad::cli
