// ResNet: a stem, stages of residual blocks, global average pooling and a linear classifier. One
// class, described by a table, for all networks of the registry.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/blocks.h"
#include "nn/conv2d.h"
#include "nn/module.h"

namespace resgrad {

enum class Stem {
  cifar,    ///< 3x3 convolution, stride 1
  imagenet  ///< 7x7 convolution, stride 2, then 3x3 max pooling, stride 2
};

/// How stages halve height and width.
enum class Transition {
  stride,  ///< by the stride of the first block of each stage but the first
  pool     ///< by a 3x3 convolution with 2x2 max pooling before the blocks of each stage
};

/// The pooling over all positions before the classifier.
enum class Pooling { average, max };

/// How convolutions start.
enum class Init {
  he,    ///< He normal by fan in
  dirac  ///< 3x3 convolutions of the stages by init::dirac_ and otherwise as PyTorch; others as he
};

constexpr EnumNames<Stem, 2> kStemNames = {{{"cifar", Stem::cifar}, {"imagenet", Stem::imagenet}}};
constexpr EnumNames<Transition, 2> kTransitionNames = {
    {{"stride", Transition::stride}, {"pool", Transition::pool}}};
constexpr EnumNames<Pooling, 2> kPoolingNames = {
    {{"average", Pooling::average}, {"max", Pooling::max}}};
constexpr EnumNames<Init, 2> kInitNames = {{{"he", Init::he}, {"dirac", Init::dirac}}};

constexpr const char* name(Stem stem) {
  return name_in(kStemNames, stem);
}
constexpr const char* name(Transition transition) {
  return name_in(kTransitionNames, transition);
}
constexpr const char* name(Pooling pooling) {
  return name_in(kPoolingNames, pooling);
}
constexpr const char* name(Init init) {
  return name_in(kInitNames, init);
}

/// The description of a network. `blocks`, `channels` and `mid_channels` have a number for each
/// stage; models/description.h gives it as text.
struct ResNetConfig {
  Stem stem = Stem::cifar;
  std::int64_t stem_channels = 64;
  /// CIFAR stem: no norm, a bias, and frozen filters that whiten_stem() in models/whitening.h sets.
  bool whiten_stem = false;
  BlockKind block = BlockKind::basic;
  std::vector<std::int64_t> blocks = {};
  std::vector<std::int64_t> channels = {};      ///< of the output
  std::int64_t bottleneck_ratio = 4;            ///< bottlenecks: channels / those of the middle
  std::vector<std::int64_t> mid_channels = {};  ///< bottlenecks: those of the middle, not by ratio
  std::int64_t groups = 1;                      ///< bottlenecks: of the 3x3 convolution
  bool stride_in_first = false;  ///< bottlenecks: stride in the first 1x1, not in the 3x3
  Activation activation = Activation::post;
  Shortcut shortcut = Shortcut::projection;
  /// Pre-activation: projections take the input of their block behind its first norm and ReLU.
  bool activated_shortcut = false;
  bool final_norm = true;  ///< pre-activation: a norm and a ReLU behind the last stage
  Transition transition = Transition::stride;
  Pooling pool = Pooling::average;
  double logit_scale = 1;  ///< factor of the outputs
  std::int64_t num_classes = 10;
  Init init = Init::he;
  /// Let every block start as its shortcut, see ResidualBlock::zero_init.
  bool zero_init_residual = false;
  bool freeze_norm_scale = false;  ///< the weights of norms require no gradient
  /// Stochastic depth: block i of n has ResidualBlock::set_drop_path(drop_path * i / (n - 1)), i =
  /// 0 to n - 1; one that is alone has drop_path. As timm's drop_path_rate.
  double drop_path = 0;

  bool operator==(const ResNetConfig&) const = default;
};

/// Throws  ValueError that names field and values for a network that is impossible.
void validate(const ResNetConfig& config);

/// Height or width of the maps before the final pooling, of images with so many pixels a side.
/// Throws  ValueError for images so small that a 2x2 pooling meets a single pixel.
std::int64_t final_size(const ResNetConfig& config, std::int64_t image_size);

/// Children: stem, stage1, stage2, ..., norm (pre-activation with final_norm), pool, flatten, fc,
/// scale (with a logit_scale). A stage holds its blocks, before them the transition that pools.
/// Shapes   x [n, 3, h, w]; returns logits [n, num_classes].
/// Initial  convolutions as config.init, batch norm 1 and 0, linear as PyTorch; bias of the stem 0.
/// Throws   ValueError as validate().
/// Differs  pre-activation networks end in BN + ReLU and have a bare convolution as their stem, as
///          He et al. 2016, section 3; shortcuts take the raw input of a block, where He et al.
///          2016 activate before the projection, unless activated_shortcut says so.
class ResNet final : public Module {
 public:
  explicit ResNet(const ResNetConfig& config);
  std::string class_name() const override { return "ResNet"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override {
    return children_to_onnx(graph, path, x);
  }

  /// Lets every block keep its input alone for backward and compute the rest once more: the
  /// activations of one block at a time instead of all, for a third more work.
  void set_recompute_blocks(bool value);

  /// The convolution that takes the images.
  const Conv2d& first_conv() const { return *first_conv_; }

 private:
  Tensor forward(const Tensor& x) override;
  void make_stem(const ResNetConfig& config);

  std::shared_ptr<Conv2d> first_conv_;
};

}  // namespace resgrad
