#include "models/blocks.h"

#include <algorithm>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "core/ops/relu.h"
#include "core/ops/shortcut.h"
#include "nn/batch_norm2d.h"
#include "nn/conv2d.h"
#include "nn/layers.h"
#include "nn/sequential.h"

namespace resgrad {
namespace {

/// One convolution of a main path.
struct ConvSpec {
  std::int64_t c_in, c_out, kernel, stride, groups;
};

ModulePtr make_conv(const ConvSpec& s) {
  return std::make_shared<Conv2d>(
      s.c_in, s.c_out, s.kernel,
      Conv2dLayerOptions{
          .stride = s.stride, .padding = s.kernel / 2, .groups = s.groups, .bias = false});
}

std::shared_ptr<Sequential> make_main_path(const std::vector<ConvSpec>& convs,
                                           Activation activation) {
  auto path = std::make_shared<Sequential>();
  for (const ConvSpec& conv : convs) {
    if (activation == Activation::pre) {
      path->append(std::make_shared<BatchNorm2d>(conv.c_in));
      path->append(std::make_shared<ReLU>());
    }
    path->append(make_conv(conv));
    if (activation == Activation::post) {
      path->append(std::make_shared<BatchNorm2d>(conv.c_out));
      // the last unit is activated after the addition
      if (&conv != &convs.back()) path->append(std::make_shared<ReLU>());
    }
  }
  return path;
}

std::vector<ConvSpec> convolutions(const char* op, std::int64_t c_in, std::int64_t c_out,
                                   const ResidualBlock::Options& o) {
  require<ValueError>(c_in >= 1 && c_out >= 1 && o.stride >= 1 && o.groups >= 1 &&
                          o.bottleneck_ratio >= 1 && o.mid_channels >= 0,
                      "{}: options: expected channels, stride, groups and bottleneck_ratio of at "
                      "least 1, got c_in={}, c_out={}, stride={}, groups={}, bottleneck_ratio={}, "
                      "mid_channels={}",
                      op, c_in, c_out, o.stride, o.groups, o.bottleneck_ratio, o.mid_channels);
  if (o.bottleneck_ratio == 1 && o.mid_channels == 0) {
    require<ValueError>(o.groups == 1,
                        "{}: groups: expected 1 for the basic form (bottleneck_ratio=1), got {}; "
                        "give mid_channels for a grouped block of full width",
                        op, o.groups);
    return {{c_in, c_out, 3, o.stride, 1}, {c_out, c_out, 3, 1, 1}};
  }
  require<ValueError>(o.mid_channels > 0 || c_out % o.bottleneck_ratio == 0,
                      "{}: bottleneck_ratio: expected a divisor of c_out={}, got {}", op, c_out,
                      o.bottleneck_ratio);
  const std::int64_t mid = o.mid_channels > 0 ? o.mid_channels : c_out / o.bottleneck_ratio;
  require<ValueError>(mid % o.groups == 0,
                      "{}: groups: expected a divisor of the middle channels {}, got {}", op, mid,
                      o.groups);
  const std::int64_t first = o.stride_in_first ? o.stride : 1, second = o.stride / first;
  return {{c_in, mid, 1, first, 1}, {mid, mid, 3, second, o.groups}, {mid, c_out, 1, 1, 1}};
}

template <class Options>
ResidualBlock::Options common(const Options& o) {
  return {o.stride,          o.groups,     o.bottleneck_ratio, o.mid_channels,
          o.stride_in_first, o.activation, o.downsample};
}

}  // namespace

ResidualBlock::ResidualBlock(const char* op, std::int64_t c_in, std::int64_t c_out,
                             const Options& options)
    : activation_(options.activation) {
  main_path_ = register_module("main_path",
                               make_main_path(convolutions(op, c_in, c_out, options), activation_));
  last_norm_ = std::dynamic_pointer_cast<BatchNorm2d>(main_path_->children().back().second);
  shortcut_ = options.downsample;
  if (shortcut_ == nullptr) {
    shortcut_ = c_in == c_out && options.stride == 1
                    ? std::make_shared<Identity>()
                    : make_conv({c_in, c_out, 1, options.stride, 1});
  }
  register_module("shortcut", shortcut_);
}

Tensor ResidualBlock::forward(const Tensor& x) {
  if (last_norm_ != nullptr && !CallObserver::active()) {
    // the same as below, with the last norm, the addition and the ReLU in one pass
    const Tensor residual = main_path_->without_last(x);
    return last_norm_->then_add_relu(residual, (*shortcut_)(x));
  }
  const Tensor residual = (*main_path_)(x);
  const Tensor sum = residual + (*shortcut_)(x);
  return activation_ == Activation::post ? relu(sum) : sum;
}

void ResidualBlock::zero_init() {
  const NoGradGuard no_grad;
  main_path_->children().back().second->own_parameters()[0].tensor.detach().zero_();
}

ResNetBlock::ResNetBlock(std::int64_t c_in, std::int64_t c_out, const Options& options)
    : ResidualBlock("ResNetBlock", c_in, c_out, common(options)) {}

ResNeXtBlock::ResNeXtBlock(std::int64_t c_in, std::int64_t c_out, const Options& options)
    : ResidualBlock("ResNeXtBlock", c_in, c_out, common(options)) {}

ZeroPadShortcut::ZeroPadShortcut(std::int64_t c_in, std::int64_t c_out, std::int64_t stride)
    : before_((c_out - c_in) / 2), after_(c_out - c_in - before_), stride_(stride) {
  require<ValueError>(c_in >= 1 && c_out >= c_in && stride >= 1,
                      "ZeroPadShortcut: options: expected 1 <= c_in <= c_out and stride >= 1, got "
                      "c_in={}, c_out={}, stride={}",
                      c_in, c_out, stride);
}

Tensor ZeroPadShortcut::forward(const Tensor& x) {
  if (stride_ == 1 && before_ + after_ == 0) return x;
  return pad_shortcut(x, {.stride = stride_, .channels_before = before_, .channels_after = after_});
}

}  // namespace resgrad
