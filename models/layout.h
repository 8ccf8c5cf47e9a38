// Layouts: the names that other PyTorch code gives to the weights of the same networks. A layout
// renames, it changes no value and no shape.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/resnet.h"

namespace resgrad::models {

/// The names of the layouts:
///
/// | layout      | block           | shortcut       | head   | networks                        |
/// |-------------|-----------------|----------------|--------|---------------------------------|
/// | torchvision | conv1, bn1, ... | downsample.0/1 | fc     | all with shortcut B             |
/// | chenyaofo   | conv1, bn1, ... | downsample.0/1 | fc     | CIFAR, basic blocks, shortcut B |
/// | akamaster   | conv1, bn1, ... | shortcut.0/1   | linear | CIFAR, basic blocks, A or B     |
/// | kuangliu    | conv1, bn1, ... | shortcut.0/1   | linear | four stages, CIFAR stem, B      |
///
/// All are post-activation and call their stages layer1, layer2, ... Names of akamaster begin with
/// `module.`, as its checkpoints do.
/// Source  torchvision/models/resnet.py; chenyaofo/pytorch-cifar-models, akamaster/
///         pytorch_resnet_cifar10 and kuangliu/pytorch-cifar on GitHub.
std::vector<std::string> layout_names();

/// The parameters and buffers of `net`, a network of `config`, under their names in the layout.
/// They are the network's own tensors, not copies.
/// Throws  ValueError for an unknown layout, or one whose code cannot build this network.
std::vector<NamedTensor> state_in_layout(const Module& net, const ResNetConfig& config,
                                         std::string_view layout);

/// Copies values from `state`, named as in the layout. A `module.` before all names is taken off;
/// counters (num_batches_tracked) may be missing and then keep their value.
/// Throws  ValueError as state_in_layout(), and one that lists everything else that is missing,
///         unexpected or of another shape or dtype; nothing is changed then.
void load_state_in_layout(Module& net, const ResNetConfig& config, std::string_view layout,
                          const std::vector<NamedTensor>& state);

/// What the tensors tell of their network.
struct LayoutFacts {
  std::int64_t num_classes;  ///< rows of the head
  Stem stem;                 ///< by the kernel of the first convolution
  Shortcut shortcut;         ///< A where the layout allows it and no shortcut has tensors
};

/// Throws  ValueError for an unknown layout and when the first convolution or the head is missing.
LayoutFacts read_layout_facts(std::string_view layout, const std::vector<NamedTensor>& state);

}  // namespace resgrad::models
