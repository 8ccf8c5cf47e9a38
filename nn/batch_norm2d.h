#pragma once

#include "core/ops/batch_norm.h"
#include "core/ops/batch_norm_passes.h"
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
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;
  const Tensor& weight() const { return weight_; }
  /// What it does in evaluation mode: (x - mean) * scale + shift per channel.
  BatchNormFactors factors() const;

  /// op(weight, bias, running_mean, running_var, options), which counts as a call of this layer:
  /// for operations that join its work with that of its neighbours. Observers do not see it.
  template <class Op>
  Tensor apply(Op&& op) {
    Tensor y = op(weight_, bias_, running_mean_, running_var_, batch_norm_options());
    count_batch();
    return y;
  }

 private:
  Tensor forward(const Tensor& x) override;
  BatchNormOptions batch_norm_options() const;
  void count_batch();

  BatchNorm2dOptions options_;
  Tensor weight_, bias_, running_mean_, running_var_, num_batches_tracked_;
};

}  // namespace resgrad
