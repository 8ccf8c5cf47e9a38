#include "nn/batch_norm2d.h"

#include "core/onnx_graph.h"

namespace resgrad {

BatchNorm2d::BatchNorm2d(std::int64_t channels, BatchNorm2dOptions options) : options_(options) {
  require<ValueError>(channels >= 1, "BatchNorm2d: channels: expected at least 1, got {}",
                      channels);
  weight_ = register_parameter("weight", Tensor::ones({channels}));
  bias_ = register_parameter("bias", Tensor::zeros({channels}));
  running_mean_ = register_buffer("running_mean", Tensor::zeros({channels}));
  running_var_ = register_buffer("running_var", Tensor::ones({channels}));
  num_batches_tracked_ = register_buffer("num_batches_tracked", Tensor::zeros({}, DType::int64));
}

Tensor BatchNorm2d::forward(const Tensor& x) {
  return apply([&x](const Tensor& weight, const Tensor& bias, Tensor& mean, Tensor& var,
                    const BatchNormOptions& options) {
    return batch_norm(x, weight, bias, mean, var, options);
  });
}

std::string BatchNorm2d::add_to_onnx(OnnxGraph& graph, const std::string& path,
                                     const std::string& x) const {
  std::vector<std::string> inputs = {x};
  for (const auto& [name, tensor] :
       {NamedTensor{"weight", weight_}, NamedTensor{"bias", bias_},
        NamedTensor{"running_mean", running_mean_}, NamedTensor{"running_var", running_var_}}) {
    inputs.push_back(graph.add_constant(onnx_path(path, name), tensor));
  }
  return graph.add("BatchNormalization", path, std::move(inputs),
                   {{"epsilon", static_cast<float>(options_.eps)}});
}

BatchNormFactors BatchNorm2d::factors() const {
  const Tensor none = Tensor::empty({0, weight_.dim(0), 1, 1}, weight_.dtype());
  Tensor mean = running_mean_, var = running_var_;
  return batch_norm_factors(none, weight_, bias_, mean, var,
                            {.training = false, .eps = options_.eps});
}

BatchNormOptions BatchNorm2d::batch_norm_options() const {
  return {.training = is_training(), .momentum = options_.momentum, .eps = options_.eps};
}

void BatchNorm2d::count_batch() {
  if (is_training()) ++*num_batches_tracked_.data<std::int64_t>();
}

}  // namespace resgrad
