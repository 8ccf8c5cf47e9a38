#include "nn/layers.h"

#include "core/ops/dropout.h"
#include "core/ops/relu.h"
#include "core/ops/shaping.h"

namespace resgrad {

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
Tensor Flatten::forward(const Tensor& x) {
  return flatten(x);
}

Dropout::Dropout(double p, std::uint64_t seed) : p_(p), seed_(seed) {
  require<ValueError>(p >= 0 && p < 1, "Dropout: p: expected 0 <= p < 1, got {}", p);
}

Tensor Dropout::forward(const Tensor& x) {
  if (!is_training() || p_ == 0) return x;
  Random random(seed_, Purpose::dropout, 0, calls_++);
  return dropout(x, p_, random);
}

}  // namespace resgrad
