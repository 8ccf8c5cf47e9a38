#pragma once

#include "core/ops/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/module.h"

namespace resgrad {

struct BatchNorm2dOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< weight of the new batch in the running statistics
};

/// Batch normalisation layer: see core/ops/batch_norm.h. In train mode it normalises with the
/// statistics of the batch and updates the running ones, in evaluation mode it uses those.
/// Parameters  weight [c] = 1, bias [c] = 0.
/// Buffers     running_mean [c] = 0, running_var [c] = 1, num_batches_tracked (int64, rank 0) = 0.
class BatchNorm2d final : public Module {
 public:
  explicit BatchNorm2d(std::int64_t channels, BatchNorm2dOptions options = {});

  std::string class_name() const override { return "BatchNorm2d"; }
  const Tensor& weight() const { return weight_; }

  /// relu((*this)(x)), conv(relu((*this)(x))) and relu((*this)(x) + residual) as one operation, for
  /// modules that hold a norm with a ReLU behind it. Observers do not see these calls.
  Tensor then_relu(const Tensor& x);
  Tensor then_relu_conv(const Tensor& x, const Conv2d& conv);
  Tensor then_add_relu(const Tensor& x, const Tensor& residual);

 private:
  Tensor forward(const Tensor& x) override;
  BatchNormOptions options() const;
  void count_batch();

  BatchNorm2dOptions options_;
  Tensor weight_, bias_, running_mean_, running_var_, num_batches_tracked_;
};

}  // namespace resgrad
