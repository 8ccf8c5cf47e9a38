// Residual blocks: ResNetBlock (post-activation) and ResNeXtBlock (pre-activation, grouped), each
// of which can be asked for in the other order, so that like is compared with like.
#pragma once

#include <cstdint>
#include <optional>

#include "core/enum_names.h"
#include "nn/batch_norm2d.h"
#include "nn/layers.h"
#include "nn/sequential.h"

namespace resgrad {

/// The order inside a block.
enum class Activation {
  post,  ///< conv - BN - ReLU units, ReLU after the addition (He et al. 2015, arXiv:1512.03385)
  pre    ///< BN - ReLU - conv units, nothing after the addition (He et al. 2016, arXiv:1603.05027)
};

constexpr EnumNames<Activation, 2> kActivationNames = {
    {{"post", Activation::post}, {"pre", Activation::pre}}};

constexpr const char* name(Activation activation) {
  return name_in(kActivationNames, activation);
}

/// What a residual block consists of.
enum class BlockKind {
  basic,       ///< two 3x3 convolutions
  bottleneck,  ///< 1x1, 3x3 and 1x1 convolutions
  single       ///< one 3x3 convolution
};

constexpr EnumNames<BlockKind, 3> kBlockNames = {{{"basic", BlockKind::basic},
                                                  {"bottleneck", BlockKind::bottleneck},
                                                  {"single", BlockKind::single}}};

constexpr const char* name(BlockKind block) {
  return name_in(kBlockNames, block);
}

/// How the input of a block reaches the addition where the block changes its shape.
enum class Shortcut {
  zero_pad,   ///< "A": ZeroPadShortcut, without parameters
  projection  ///< "B": 1x1 convolution; in post-activation networks with a norm behind it
};

constexpr EnumNames<Shortcut, 2> kShortcutNames = {
    {{"A", Shortcut::zero_pad}, {"B", Shortcut::projection}}};

constexpr const char* name(Shortcut shortcut) {
  return name_in(kShortcutNames, shortcut);
}

/// The options of both blocks.
struct ResidualBlockOptions {
  std::int64_t stride = 1;
  std::int64_t groups = 1;            ///< of the 3x3 convolution of the bottleneck form
  std::int64_t bottleneck_ratio = 4;  ///< c_out / mid; 1: the basic form of two 3x3 convolutions
  std::int64_t mid_channels = 0;      ///< > 0: the bottleneck form with this width instead
  bool single = false;                ///< the basic form with its first 3x3 convolution alone
  bool stride_in_first = false;       ///< bottleneck: stride in the first 1x1, not in the 3x3
  std::optional<Activation> activation = {};  ///< unset: the order that the block is named for
  bool activated_shortcut = false;            ///< pre-activation: see ResidualBlock
  ModulePtr downsample = nullptr;             ///< replaces the default shortcut
};

/// The shortcut of a block: the identity where shapes agree (c_in = c_out, stride 1), else
/// ZeroPadShortcut or a 1x1 convolution (c_in -> c_out, stride), with a BatchNorm2d behind it if
/// `norm`.
/// Throws  ValueError for channels or a stride that the shortcut cannot have.
ModulePtr make_shortcut(std::int64_t c_in, std::int64_t c_out, std::int64_t stride,
                        Shortcut shortcut, bool norm);

/// What both blocks have in common:
///   post-activation  y = relu(main_path(x) + shortcut(x))
///   pre-activation   y = main_path(x) + shortcut(x)
///
/// The main path of a basic block (bottleneck_ratio 1, mid_channels 0) is
///   3x3 (c_in -> c_out, stride), 3x3 (c_out -> c_out), the second not if `single`;
/// that of a bottleneck block, with mid = mid_channels or c_out / bottleneck_ratio,
///   1x1 (c_in -> mid), 3x3 (mid -> mid, stride, groups), 1x1 (mid -> c_out).
/// The shortcut is `downsample` if given, else make_shortcut() with a bare projection. It takes x
/// itself in both orders, but with `activated_shortcut`, unless it is an Identity:
///   y = main_path(a) + shortcut(a),  a = preact(x) = relu(norm(x))
/// as He et al. 2016 have it. No convolution has a bias. Children: preact (where it is shared) and
/// main_path, both Sequential, shortcut and, after set_drop_path(), drop_path.
class ResidualBlock : public Module {
 public:
  /// Makes the block start as its shortcut: zeroes the weight of the last norm (post), or of the
  /// last convolution (pre, where a zero norm would leave a ReLU without gradient).
  /// Source  Goyal et al. 2017, arXiv:1706.02677, section 5.1.
  /// Differs  the pre-activation form.
  void zero_init();

  /// Lets the block be its shortcut (post: rectified) for a sample of a batch with probability p in
  /// train mode: main_path(x) goes through StochasticDepth(p). For once; p = 0 changes nothing.
  /// Throws  ValueError unless 0 <= p < 1, and when called again.
  void set_drop_path(double p);

  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;

 protected:
  /// `op` begins the messages.
  /// Throws  ValueError for channels, stride, ratio or groups that are not positive or do not
  ///         divide, and for activated_shortcut in post-activation.
  ResidualBlock(const char* op, std::int64_t c_in, std::int64_t c_out,
                const ResidualBlockOptions& options, Activation own_activation);

 private:
  Tensor forward(const Tensor& x) override;

  Activation activation_;
  std::shared_ptr<Sequential> preact_, main_path_;  // the first is null where it is not shared
  Tensor last_weight_;                              // at 0 the main path is 0
  ModulePtr shortcut_;
  std::shared_ptr<StochasticDepth> drop_path_;  // or null
};

/// Residual block of ResNet, post-activation unless asked otherwise.
/// Source  He et al. 2015, arXiv:1512.03385, figures 2 and 5.
/// Differs  the default projection has no batch norm (networks pass 1x1 convolution + BN as
///         `downsample`); the stride is in the 3x3 convolution of the bottleneck, as in
///         torchvision.
class ResNetBlock final : public ResidualBlock {
 public:
  using Options = ResidualBlockOptions;
  ResNetBlock(std::int64_t c_in, std::int64_t c_out, const Options& options = {})
      : ResidualBlock("ResNetBlock", c_in, c_out, options, Activation::post) {}
  std::string class_name() const override { return "ResNetBlock"; }
};

/// Grouped residual block of ResNeXt, pre-activation unless asked otherwise.
/// Source  Xie et al. 2017, arXiv:1611.05431, figure 3(c), in the order of He et al. 2016.
/// Differs  Xie et al. use post-activation; ask for it with .activation.
class ResNeXtBlock final : public ResidualBlock {
 public:
  using Options = ResidualBlockOptions;
  ResNeXtBlock(std::int64_t c_in, std::int64_t c_out, const Options& options = {})
      : ResidualBlock("ResNeXtBlock", c_in, c_out, options, Activation::pre) {}
  std::string class_name() const override { return "ResNeXtBlock"; }
};

/// The parameter-free shortcut "A": every stride-th pixel, and zero channels around the old ones,
/// (c_out - c_in) / 2 before, the rest after.
/// Source  He et al. 2015, arXiv:1512.03385, section 4.2, option A.
class ZeroPadShortcut final : public Module {
 public:
  ZeroPadShortcut(std::int64_t c_in, std::int64_t c_out, std::int64_t stride);
  std::string class_name() const override { return "ZeroPadShortcut"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;

 private:
  Tensor forward(const Tensor& x) override;
  std::int64_t before_, after_, stride_;
};

}  // namespace resgrad
