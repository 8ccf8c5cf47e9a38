#include "nn/batch_norm2d.h"

#include "core/ops/fused/batch_norm_relu.h"
#include "core/ops/fused/batch_norm_relu_conv2d.h"

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
  Tensor y = batch_norm(x, weight_, bias_, running_mean_, running_var_, options());
  count_batch();
  return y;
}

Tensor BatchNorm2d::then_relu(const Tensor& x) {
  Tensor y = batch_norm_relu(x, weight_, bias_, running_mean_, running_var_, options());
  count_batch();
  return y;
}

Tensor BatchNorm2d::then_relu_conv(const Tensor& x, const Conv2d& conv) {
  Tensor y = batch_norm_relu_conv2d(x, weight_, bias_, running_mean_, running_var_, conv.weight(),
                                    conv.bias(), options(), conv.options());
  count_batch();
  return y;
}

Tensor BatchNorm2d::then_add_relu(const Tensor& x, const Tensor& residual) {
  Tensor y =
      batch_norm_add_relu(x, residual, weight_, bias_, running_mean_, running_var_, options());
  count_batch();
  return y;
}

BatchNormOptions BatchNorm2d::options() const {
  return {.training = is_training(), .momentum = options_.momentum, .eps = options_.eps};
}

void BatchNorm2d::count_batch() {
  if (is_training()) ++*num_batches_tracked_.data<std::int64_t>();
}

}  // namespace resgrad
