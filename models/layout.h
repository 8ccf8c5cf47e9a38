// Layouts: the names that other PyTorch code gives to the weights of the same networks. A layout
// renames, it changes no value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "models/resnet.h"

namespace resgrad::models {

/// The names of the layouts:
///
/// | layout      | block             | shortcut        | head    | networks                     |
/// |-------------|-------------------|-----------------|---------|------------------------------|
/// | torchvision | conv1, bn1, ...   | downsample.0/1  | fc      | all with shortcut B          |
/// | chenyaofo   | conv1, bn1, ...   | downsample.0/1  | fc      | CIFAR, basic blocks, B       |
/// | akamaster   | conv1, bn1, ...   | shortcut.0/1    | linear  | CIFAR, basic blocks, A or B  |
/// | kuangliu    | conv1, bn1, ...   | shortcut.0/1    | linear  | four stages, CIFAR stem, B   |
/// | resnetv2    | norm1, conv1, ... | downsample.conv | head.fc | pre-activation, ImageNet stem |
///
/// All but the last are post-activation and call their stages layer1, layer2, ...; kuangliu also
/// builds pre-activation networks. Pre-activation networks of both layouts have activated
/// shortcuts, and a final norm with resnetv2, none with kuangliu. The head of resnetv2 is a 1x1
/// convolution. Names of akamaster begin with `module.`, as its checkpoints do.
/// Source  torchvision/models/resnet.py; chenyaofo/pytorch-cifar-models, akamaster/
///         pytorch_resnet_cifar10, kuangliu/pytorch-cifar (resnet.py, preact_resnet.py) and
///         huggingface/pytorch-image-models (timm/models/resnetv2.py) on GitHub.
std::vector<std::string> layout_names();

/// The parameters and buffers of `net`, a network of `config`, under their names in the layout.
/// They share the data of the network's own tensors.
/// Throws  ValueError for an unknown layout, or one whose code cannot build this network.
std::vector<NamedTensor> state_in_layout(const Module& net, const ResNetConfig& config,
                                         std::string_view layout);

/// Copies values from `state`, named as in the layout, also as without_wrappers() in
/// models/wrapped_names.h takes names; counters (num_batches_tracked) may be missing and then keep
/// their value.
/// Throws  ValueError as state_in_layout() and without_wrappers(), and one that lists everything
///         else that is missing, unexpected or of another shape or dtype; nothing is changed then.
void load_state_in_layout(Module& net, const ResNetConfig& config, std::string_view layout,
                          const std::vector<NamedTensor>& state);

/// What the tensors tell of their network.
struct LayoutFacts {
  std::int64_t num_classes;  ///< rows of the head
  Stem stem;                 ///< by the kernel of the first convolution
  Shortcut shortcut;         ///< A where the layout allows it and no shortcut has tensors
  /// Pre-activation where the layout has such networks and there is no norm behind the stem.
  Activation activation = Activation::post;
  Fields fields = {};  ///< of the description: what else is so in the layout's pre-activation
};

/// Throws  ValueError for an unknown layout, as without_wrappers(), and when the first convolution
///         or the head is missing, with some of the names that are there.
LayoutFacts read_layout_facts(std::string_view layout, const std::vector<NamedTensor>& state);

}  // namespace resgrad::models
