#include "nn/linear.h"

#include <cmath>

#include "core/onnx_graph.h"
#include "core/ops/matmul.h"
#include "nn/init.h"

namespace resgrad {

Linear::Linear(std::int64_t in_features, std::int64_t out_features) {
  require<ValueError>(in_features >= 1 && out_features >= 1,
                      "Linear: features: expected at least 1, got in={} and out={}", in_features,
                      out_features);
  weight_ = register_parameter("weight", Tensor::empty({out_features, in_features}));
  bias_ = register_parameter("bias", Tensor::empty({out_features}));
  const double bound = 1 / std::sqrt(static_cast<double>(in_features));
  init::uniform_(weight_, bound);
  init::uniform_(bias_, bound);
}

std::string Linear::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                const std::string& x) const {
  const std::string weight = graph.add_constant(onnx_path(path, "weight"), weight_),
                    bias = graph.add_constant(onnx_path(path, "bias"), bias_);
  return graph.add("Gemm", path, {x, weight, bias}, {{"transB", std::int64_t{1}}});
}

Tensor Linear::forward(const Tensor& x) {
  return linear(x, weight_, bias_);
}

}  // namespace resgrad
