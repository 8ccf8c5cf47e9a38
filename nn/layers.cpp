#include "nn/layers.h"

#include <bit>

#include "core/onnx_graph.h"
#include "core/ops/arithmetic.h"
#include "core/ops/dropout.h"
#include "core/ops/relu.h"
#include "core/ops/require.h"
#include "core/ops/shaping.h"
#include "core/ops/stochastic_depth.h"
#include "core/random.h"
#include "nn/init.h"
#include "nn/shard_scope.h"

namespace resgrad {
namespace {

std::vector<OnnxAttribute> window(const Pool2dOptions& o) {
  const Pair2d stride = o.stride.value_or(o.kernel);
  return {{"kernel_shape", std::vector{o.kernel.h, o.kernel.w}},
          {"strides", std::vector{stride.h, stride.w}},
          {"pads", std::vector{o.padding.h, o.padding.w, o.padding.h, o.padding.w}}};
}

}  // namespace

Tensor ReLU::forward(const Tensor& x) {
  return relu(x);
}
Tensor MaxPool2d::forward(const Tensor& x) {
  return max_pool2d(x, options_);
}
Tensor AvgPool2d::forward(const Tensor& x) {
  return avg_pool2d(x, options_);
}
Tensor GlobalAvgPool2d::forward(const Tensor& x) {
  return global_avg_pool2d(x);
}
Tensor GlobalMaxPool2d::forward(const Tensor& x) {
  require_rank("GlobalMaxPool2d", "x", x, 4);
  return max_pool2d(x, {.kernel = {x.dim(2), x.dim(3)}});
}
Tensor Scale::forward(const Tensor& x) {
  return x * factor_;
}
Tensor Flatten::forward(const Tensor& x) {
  return flatten(x);
}

std::string ReLU::add_to_onnx(OnnxGraph& graph, const std::string& path,
                              const std::string& x) const {
  return graph.add("Relu", path, {x});
}
std::string MaxPool2d::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                   const std::string& x) const {
  return graph.add("MaxPool", path, {x}, window(options_));
}
std::string AvgPool2d::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                   const std::string& x) const {
  std::vector<OnnxAttribute> attributes = window(options_);
  attributes.push_back({"count_include_pad", std::int64_t{1}});
  return graph.add("AveragePool", path, {x}, std::move(attributes));
}
std::string GlobalAvgPool2d::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                         const std::string& x) const {
  return graph.add("GlobalAveragePool", path, {x});
}
std::string GlobalMaxPool2d::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                         const std::string& x) const {
  return graph.add("GlobalMaxPool", path, {x});
}
std::string Scale::add_to_onnx(OnnxGraph& graph, const std::string& path,
                               const std::string& x) const {
  return graph.add("Mul", path,
                   {x, graph.add_constant(onnx_path(path, "factor"), Tensor::scalar(factor_))});
}
std::string Flatten::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                 const std::string& x) const {
  return graph.add("Flatten", path, {x}, {{"axis", std::int64_t{1}}});
}

DropLayer::DropLayer(const char* name, double p, std::optional<std::uint64_t> seed) : p_(p) {
  require<ValueError>(p >= 0 && p < 1, "{}: p: expected 0 <= p < 1, got {}", name, p);
  const auto bits = std::bit_cast<std::int64_t>(seed ? *seed : init::draw_seed());
  random_state_ =
      register_buffer(std::string(kRandomState), Tensor::from<std::int64_t>({bits, 0}, {2}));
}

Tensor DropLayer::forward(const Tensor& x) {
  if (!is_training() || p_ == 0) return x;
  auto* const state = random_state_.data<std::int64_t>();
  const auto seed = std::bit_cast<std::uint64_t>(state[0]);
  const auto call = std::bit_cast<std::uint64_t>(state[1]++);
  Random random(seed, Purpose::dropout, ShardScope::current(), call);
  return drop(x, p_, random);
}

Tensor Dropout::drop(const Tensor& x, double p, Random& random) {
  return dropout(x, p, random);
}
Tensor StochasticDepth::drop(const Tensor& x, double p, Random& random) {
  return stochastic_depth(x, p, random);
}

}  // namespace resgrad
