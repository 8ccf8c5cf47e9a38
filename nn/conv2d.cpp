#include "nn/conv2d.h"

#include <cmath>

#include "core/onnx_graph.h"
#include "nn/init.h"

namespace resgrad {

Conv2d::Conv2d(std::int64_t c_in, std::int64_t c_out, Pair2d kernel, Conv2dLayerOptions options)
    : options_{options.stride, options.padding, options.dilation, options.groups} {
  require<ValueError>(c_in >= 1 && c_out >= 1 && options.groups >= 1 &&
                          c_in % options.groups == 0 && c_out % options.groups == 0,
                      "Conv2d: channels: expected positive multiples of groups={}, got c_in={} and "
                      "c_out={}",
                      options.groups, c_in, c_out);
  require<ValueError>(kernel.h >= 1 && kernel.w >= 1,
                      "Conv2d: kernel: expected at least 1, got ({}, {})", kernel.h, kernel.w);
  weight_ = register_parameter("weight",
                               Tensor::empty({c_out, c_in / options.groups, kernel.h, kernel.w}));
  const double bound = 1 / std::sqrt(static_cast<double>(init::fan_in(weight_)));
  init::uniform_(weight_, bound);
  if (options.bias) {
    bias_ = register_parameter("bias", Tensor::empty({c_out}));
    init::uniform_(bias_, bound);
  }
}

std::string Conv2d::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                const std::string& x) const {
  std::vector<std::string> inputs = {x, graph.add_constant(onnx_path(path, "weight"), weight_)};
  if (bias_.defined()) inputs.push_back(graph.add_constant(onnx_path(path, "bias"), bias_));
  const auto& [stride, padding, dilation, groups] = options_;
  return graph.add("Conv", path, std::move(inputs),
                   {{"kernel_shape", std::vector{weight_.dim(2), weight_.dim(3)}},
                    {"strides", std::vector{stride.h, stride.w}},
                    {"pads", std::vector{padding.h, padding.w, padding.h, padding.w}},
                    {"dilations", std::vector{dilation.h, dilation.w}},
                    {"group", groups}});
}

Tensor Conv2d::forward(const Tensor& x) {
  return conv2d(x, weight_, bias_, options_);
}

}  // namespace resgrad
