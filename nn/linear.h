#pragma once

#include "nn/module.h"

namespace resgrad {

/// Fully connected layer: y = x weight' + bias, x [n, in_features], y [n, out_features].
/// Parameters  weight [out_features, in_features], bias [out_features].
/// Initial     uniform in +-1 / sqrt(in_features) for both, as PyTorch.
class Linear final : public Module {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features);

  std::string class_name() const override { return "Linear"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }

 private:
  Tensor forward(const Tensor& x) override;

  Tensor weight_, bias_;
};

}  // namespace resgrad
