// The networks that can be asked for by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "models/resnet.h"

namespace resgrad::models {

/// What may be changed in a registered network; unset fields keep the family's own choice.
struct Options {
  std::int64_t num_classes = 10;
  std::optional<Activation> activation = {};
  std::optional<Shortcut> shortcut = {};
  std::optional<Stem> stem = {};
  std::optional<bool> zero_init_residual = {};
  Fields fields = {};      ///< any field of the description by its text, after those above
  std::uint64_t seed = 0;  ///< of the initial weights
  /// False leaves the convolution and linear weights uninitialised: for networks whose weights are
  /// loaded, or whose shapes alone matter.
  bool initialise = true;
};

struct Entry {
  std::string name;
  std::string source;  ///< the paper, with what differs
  ResNetConfig config;
};

/// All registered networks, in the order of families and depths.
const std::vector<Entry>& registry();
/// Their names.
std::vector<std::string> names();

/// The description of a network.
/// Throws  ValueError that lists the known names for an unknown one, and as with_fields() for
///         options that the network cannot have.
ResNetConfig configure(std::string_view name, const Options& options = {});

/// The name and the fields that make the network of that name this one, but for the classes:
/// "resnet20", or "resnet20 with block=bottleneck groups=4".
/// Throws  ValueError for an unknown name.
std::string describe(std::string_view name, const ResNetConfig& config);

/// Builds a network: its weights are a function of the name, the options and the seed.
std::shared_ptr<ResNet> make(std::string_view name, const Options& options = {});
/// Builds the network of a description; seed and initialise as in Options.
std::shared_ptr<ResNet> make(const ResNetConfig& config, std::uint64_t seed = 0,
                             bool initialise = true);

/// "cifar" for images of up to 64 pixels a side, "imagenet" above: the default stem by input size.
Stem default_stem(std::int64_t image_size);

}  // namespace resgrad::models
