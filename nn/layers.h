// Layers without parameters: thin modules around the operations of the same name.
#pragma once

#include "core/ops/pool.h"
#include "core/random.h"
#include "nn/module.h"

namespace resgrad {

/// y = max(x, 0)
class ReLU final : public Module {
 public:
  std::string class_name() const override { return "ReLU"; }

 private:
  Tensor forward(const Tensor& x) override;
};

/// Returns its input.
class Identity final : public Module {
 public:
  std::string class_name() const override { return "Identity"; }

 private:
  Tensor forward(const Tensor& x) override { return x; }
};

class MaxPool2d final : public Module {
 public:
  explicit MaxPool2d(Pool2dOptions options) : options_(options) {}
  std::string class_name() const override { return "MaxPool2d"; }

 private:
  Tensor forward(const Tensor& x) override;
  Pool2dOptions options_;
};

class AvgPool2d final : public Module {
 public:
  explicit AvgPool2d(Pool2dOptions options) : options_(options) {}
  std::string class_name() const override { return "AvgPool2d"; }

 private:
  Tensor forward(const Tensor& x) override;
  Pool2dOptions options_;
};

/// [n, c, h, w] to [n, c, 1, 1].
class GlobalAvgPool2d final : public Module {
 public:
  /// The name under which PyTorch's summaries show it.
  std::string class_name() const override { return "AdaptiveAvgPool2d"; }

 private:
  Tensor forward(const Tensor& x) override;
};

/// [n, ...] to [n, product of the others].
class Flatten final : public Module {
 public:
  std::string class_name() const override { return "Flatten"; }

 private:
  Tensor forward(const Tensor& x) override;
};

/// In train mode zeroes elements with probability p and scales the others by 1 / (1 - p); in
/// evaluation mode the identity. Draws are keyed by (seed, number of the call).
/// Throws  ValueError unless 0 <= p < 1.
class Dropout final : public Module {
 public:
  explicit Dropout(double p, std::uint64_t seed = 0);
  std::string class_name() const override { return "Dropout"; }

  /// Calls in train mode so far. A run that goes on where another stopped sets them.
  std::uint64_t calls() const { return calls_; }
  void set_calls(std::uint64_t calls) { calls_ = calls; }

 private:
  Tensor forward(const Tensor& x) override;
  double p_;
  std::uint64_t seed_, calls_ = 0;
};

}  // namespace resgrad
