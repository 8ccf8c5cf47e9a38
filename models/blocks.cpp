#include "models/blocks.h"

#include <algorithm>
#include <limits>

#include "core/autograd/grad_mode.h"
#include "core/onnx_graph.h"
#include "core/ops/arithmetic.h"
#include "core/ops/relu.h"
#include "core/ops/shortcut.h"
#include "nn/batch_norm2d.h"
#include "nn/conv2d.h"
#include "nn/fused.h"
#include "nn/layers.h"
#include "nn/sequential.h"

namespace resgrad {
namespace {

/// One convolution of a main path.
struct ConvSpec {
  std::int64_t c_in, c_out, kernel, stride, groups;
};

std::shared_ptr<Conv2d> make_conv(const ConvSpec& s) {
  return std::make_shared<Conv2d>(
      s.c_in, s.c_out, s.kernel,
      Conv2dLayerOptions{
          .stride = s.stride, .padding = s.kernel / 2, .groups = s.groups, .bias = false});
}

struct MainPath {
  std::shared_ptr<Sequential> preact = nullptr;  // the first norm and ReLU, where they are shared
  std::shared_ptr<Sequential> modules = std::make_shared<Sequential>();
  std::shared_ptr<Conv2d> last_conv = nullptr;
  std::shared_ptr<BatchNorm2d> last_norm = nullptr;
};

MainPath make_main_path(const std::vector<ConvSpec>& convs, Activation activation,
                        bool shared_preact) {
  MainPath path;
  if (shared_preact) path.preact = std::make_shared<Sequential>();
  for (const ConvSpec& spec : convs) {
    const bool post = activation == Activation::post;
    auto conv = make_conv(spec);
    auto norm = std::make_shared<BatchNorm2d>(post ? spec.c_out : spec.c_in);
    if (post) {
      if (&spec != &convs.front()) path.modules->append(std::make_shared<ReLU>());
      path.modules->append(conv);
      path.modules->append(norm);  // the last unit is activated after the addition
    } else {
      Sequential& before = shared_preact && &spec == &convs.front() ? *path.preact : *path.modules;
      before.append(norm);
      before.append(std::make_shared<ReLU>());
      path.modules->append(conv);
    }
    path.last_conv = conv;
    path.last_norm = norm;
  }
  return path;
}

std::vector<ConvSpec> convolutions(const char* op, std::int64_t c_in, std::int64_t c_out,
                                   const ResidualBlockOptions& o) {
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
    const ConvSpec first{c_in, c_out, 3, o.stride, 1}, second{c_out, c_out, 3, 1, 1};
    if (o.single) return {first};
    return {first, second};
  }
  require<ValueError>(
      !o.single,
      "{}: single: expected the basic form (bottleneck_ratio=1, mid_channels=0), got "
      "bottleneck_ratio={} and mid_channels={}",
      op, o.bottleneck_ratio, o.mid_channels);
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

}  // namespace

ModulePtr make_shortcut(std::int64_t c_in, std::int64_t c_out, std::int64_t stride,
                        Shortcut shortcut, bool norm) {
  if (c_in == c_out && stride == 1) return std::make_shared<Identity>();
  if (shortcut == Shortcut::zero_pad) {
    return std::make_shared<ZeroPadShortcut>(c_in, c_out, stride);
  }
  const auto projection = make_conv({c_in, c_out, 1, stride, 1});
  if (!norm) return projection;
  return std::make_shared<Sequential>(
      std::initializer_list<ModulePtr>{projection, std::make_shared<BatchNorm2d>(c_out)});
}

ResidualBlock::ResidualBlock(const char* op, std::int64_t c_in, std::int64_t c_out,
                             const ResidualBlockOptions& options, Activation own_activation)
    : activation_(options.activation.value_or(own_activation)) {
  const bool post = activation_ == Activation::post;
  require<ValueError>(!post || !options.activated_shortcut,
                      "{}: activated_shortcut: expected activation=pre with it, got post", op);
  const bool identity = options.downsample != nullptr
                            ? dynamic_cast<const Identity*>(options.downsample.get()) != nullptr
                            : c_in == c_out && options.stride == 1;
  const bool shared_preact = options.activated_shortcut && !identity;
  const MainPath path =
      make_main_path(convolutions(op, c_in, c_out, options), activation_, shared_preact);
  if (shared_preact) preact_ = register_module("preact", path.preact);
  main_path_ = register_module("main_path", path.modules);
  last_weight_ = post ? path.last_norm->weight() : path.last_conv->weight();
  shortcut_ = register_module(
      "shortcut", options.downsample != nullptr
                      ? options.downsample
                      : make_shortcut(c_in, c_out, options.stride, Shortcut::projection, false));
}

Tensor ResidualBlock::forward(const Tensor& x) {
  Module &main_path = *main_path_, &shortcut = *shortcut_;
  const bool post = activation_ == Activation::post;
  const bool drops = drop_path_ != nullptr && drop_path_->is_training();
  if (post && !drops) return add_relu(main_path, shortcut, x);
  const Tensor start = preact_ != nullptr ? (*preact_)(x) : x;
  if (!drops) return add(main_path, shortcut, start);
  const Tensor residual = (*drop_path_)(main_path(start));  // first, as summaries list it
  const Tensor sum = residual + shortcut(start);
  return post ? relu(sum) : sum;
}

std::string ResidualBlock::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                       const std::string& x) const {
  const auto apply = [&](const char* child, const Module& module, const std::string& value) {
    return module.add_to_onnx(graph, onnx_path(path, child), value);
  };
  const std::string start = preact_ != nullptr ? apply("preact", *preact_, x) : x;
  const std::string residual = apply("main_path", *main_path_, start);
  const std::string sum = graph.add("Add", path, {residual, apply("shortcut", *shortcut_, start)});
  return activation_ == Activation::post ? graph.add("Relu", path, {sum}) : sum;
}

void ResidualBlock::zero_init() {
  last_weight_.detach().zero_();
}

void ResidualBlock::set_drop_path(double p) {
  auto drop_path = std::make_shared<StochasticDepth>(p);
  if (p > 0) drop_path_ = register_module("drop_path", std::move(drop_path));
}

ZeroPadShortcut::ZeroPadShortcut(std::int64_t c_in, std::int64_t c_out, std::int64_t stride)
    : before_((c_out - c_in) / 2), after_(c_out - c_in - before_), stride_(stride) {
  require<ValueError>(c_in >= 1 && c_out >= c_in && stride >= 1,
                      "ZeroPadShortcut: options: expected 1 <= c_in <= c_out and stride >= 1, got "
                      "c_in={}, c_out={}, stride={}",
                      c_in, c_out, stride);
}

std::string ZeroPadShortcut::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                         const std::string& x) const {
  using Numbers = std::vector<std::int64_t>;
  const auto constant = [&](const char* name, const Numbers& numbers) {
    const auto count = static_cast<std::int64_t>(numbers.size());
    return graph.add_constant(onnx_path(path, name), Tensor::from(numbers, {count}));
  };
  std::string y = x;
  if (stride_ != 1) {
    constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
    y = graph.add("Slice", path,
                  {y, constant("starts", {0, 0}), constant("ends", {kEnd, kEnd}),
                   constant("axes", {2, 3}), constant("steps", {stride_, stride_})});
  }
  if (before_ + after_ == 0) return y;
  return graph.add("Pad", path, {y, constant("pads", {0, before_, 0, 0, 0, after_, 0, 0})});
}

Tensor ZeroPadShortcut::forward(const Tensor& x) {
  if (stride_ == 1 && before_ + after_ == 0) return x;
  return pad_shortcut(x, {.stride = stride_, .channels_before = before_, .channels_after = after_});
}

}  // namespace resgrad
