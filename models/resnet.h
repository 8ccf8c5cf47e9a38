// ResNet: a stem, stages of residual blocks, global average pooling and a linear classifier. One
// class, described by a table, for all networks of the registry.
#pragma once

#include <string>
#include <vector>

#include "models/blocks.h"
#include "nn/module.h"

namespace resgrad {

enum class Stem {
  cifar,    ///< 3x3 convolution, stride 1
  imagenet  ///< 7x7 convolution, stride 2, then 3x3 max pooling, stride 2
};

struct Stage {
  std::int64_t blocks;
  std::int64_t channels;      ///< of the output
  std::int64_t mid_channels;  ///< 0: basic blocks; else the width of the bottleneck
};

/// The description of a network.
struct ResNetConfig {
  Stem stem = Stem::cifar;
  std::int64_t stem_channels = 64;
  std::vector<Stage> stages = {};  ///< each but the first halves height and width
  std::int64_t groups = 1;
  bool stride_in_first = false;  ///< bottlenecks: stride in the first 1x1, not in the 3x3
  Activation activation = Activation::post;
  Shortcut shortcut = Shortcut::projection;
  std::int64_t num_classes = 10;
  /// Let every block start as its shortcut, see ResidualBlock::zero_init.
  bool zero_init_residual = false;
};

/// Children: stem, stage1, stage2, ..., norm (pre-activation only), pool, flatten, fc.
/// Shapes   x [n, 3, h, w]; returns logits [n, num_classes].
/// Initial  convolutions He normal (fan in), batch norm 1 and 0, linear as PyTorch.
/// Differs  pre-activation networks end in BN + ReLU and have a bare convolution as their stem, as
///          He et al. 2016, section 3; shortcuts take the raw input of a block, where He et al.
///          2016 activate before the projection.
class ResNet final : public Module {
 public:
  explicit ResNet(const ResNetConfig& config);
  std::string class_name() const override { return "ResNet"; }

  /// Lets every block keep its input alone for backward and compute the rest once more: the
  /// activations of one block at a time instead of all, for a third more work.
  void set_recompute_blocks(bool value);

 private:
  Tensor forward(const Tensor& x) override;
};

}  // namespace resgrad
