// NaN and infinite values in training: finding them before they reach the weights, and naming where
// they came from.
#pragma once

#include <string>
#include <vector>

#include "nn/module.h"

namespace resgrad {

/// Whether the gradients of all parameters are finite numbers. One pass over them.
bool gradients_are_finite(const std::vector<NamedTensor>& parameters);

/// Values of the buffers of a network to come back to, such as running statistics.
class SavedBuffers {
 public:
  explicit SavedBuffers(const Module& net);
  /// Gives the buffers the values that they had.
  void restore() const;

 private:
  std::vector<NamedTensor> buffers_;
  std::vector<Tensor> values_;
};

/// Says in a phrase where the values first stop being finite, with layer, tensor and counts. When
/// the loss is not finite: in the images, in a parameter, or in the output of a layer, for which
/// `net` runs once more on `images`, in its present mode, its buffers restored after; else in a
/// gradient, that of the parameter nearest to the output.
std::string describe_nonfinite(Module& net, const Tensor& images, double loss);

}  // namespace resgrad
