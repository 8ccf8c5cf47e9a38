#pragma once

#include "core/ops/conv2d.h"
#include "nn/module.h"

namespace resgrad {

struct Conv2dLayerOptions {
  Pair2d stride = 1;
  Pair2d padding = 0;
  Pair2d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};

/// 2-D convolution layer: y = conv2d(x, weight, bias), see core/ops/conv2d.h.
/// Parameters  weight [c_out, c_in / groups, k_h, k_w], bias [c_out] if options.bias.
/// Initial     uniform in +-1 / sqrt(fan_in) for both, as PyTorch; networks choose their own.
/// Throws      ValueError unless c_in and c_out are positive and divisible by groups.
class Conv2d final : public Module {
 public:
  Conv2d(std::int64_t c_in, std::int64_t c_out, Pair2d kernel, Conv2dLayerOptions options = {});

  std::string class_name() const override { return "Conv2d"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }
  const Conv2dOptions& options() const { return options_; }

 private:
  Tensor forward(const Tensor& x) override;

  Conv2dOptions options_;
  Tensor weight_, bias_;
};

}  // namespace resgrad
