// Layers without parameters: thin modules around the operations of the same name.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/ops/pool.h"
#include "nn/module.h"

namespace resgrad {

/// y = max(x, 0)
class ReLU final : public Module {
 public:
  std::string class_name() const override { return "ReLU"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;

 private:
  Tensor forward(const Tensor& x) override;
};

/// Returns its input.
class Identity final : public Module {
 public:
  std::string class_name() const override { return "Identity"; }
  std::string add_to_onnx(OnnxGraph&, const std::string&, const std::string& x) const override {
    return x;
  }

 private:
  Tensor forward(const Tensor& x) override { return x; }
};

class MaxPool2d final : public Module {
 public:
  explicit MaxPool2d(Pool2dOptions options) : options_(options) {}
  std::string class_name() const override { return "MaxPool2d"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;

 private:
  Tensor forward(const Tensor& x) override;
  Pool2dOptions options_;
};

class AvgPool2d final : public Module {
 public:
  explicit AvgPool2d(Pool2dOptions options) : options_(options) {}
  std::string class_name() const override { return "AvgPool2d"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;

 private:
  Tensor forward(const Tensor& x) override;
  Pool2dOptions options_;
};

/// [n, c, h, w] to [n, c, 1, 1].
class GlobalAvgPool2d final : public Module {
 public:
  /// The name under which PyTorch's summaries show it.
  std::string class_name() const override { return "AdaptiveAvgPool2d"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;

 private:
  Tensor forward(const Tensor& x) override;
};

/// The maximum over all positions: [n, c, h, w] to [n, c, 1, 1].
class GlobalMaxPool2d final : public Module {
 public:
  /// The name under which PyTorch's summaries show it.
  std::string class_name() const override { return "AdaptiveMaxPool2d"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;

 private:
  Tensor forward(const Tensor& x) override;
};

/// y = factor * x, with a factor that is not trained.
class Scale final : public Module {
 public:
  explicit Scale(double factor) : factor_(factor) {}
  std::string class_name() const override { return "Scale"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;

 private:
  Tensor forward(const Tensor& x) override;
  double factor_;
};

/// [n, ...] to [n, product of the others].
class Flatten final : public Module {
 public:
  std::string class_name() const override { return "Flatten"; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override;

 private:
  Tensor forward(const Tensor& x) override;
};

/// What layers that drop parts of their input have in common: in train mode drop(), in evaluation
/// mode and for p = 0 the identity. Draws are keyed by (seed, number of the call in train mode,
/// shard of the update: nn/shard_scope.h).
/// Buffers  random_state (int64 [2]): the seed and the number of the next call, so that a state
///          dict says how its masks go on.
/// Initial  seed: init::draw_seed() if not given, so that no two layers share their masks.
/// Throws   ValueError unless 0 <= p < 1.
class DropLayer : public Module {
 public:
  /// Whether a tensor of a state dict is such a buffer, which belongs to a course of training and
  /// not to what was learnt.
  static bool is_random_state(std::string_view name) { return name.ends_with(kRandomState); }

  std::string add_to_onnx(OnnxGraph&, const std::string&, const std::string& x) const override {
    return x;
  }

 protected:
  DropLayer(const char* name, double p, std::optional<std::uint64_t> seed);

 private:
  static constexpr std::string_view kRandomState = "random_state";

  Tensor forward(const Tensor& x) final;
  virtual Tensor drop(const Tensor& x, double p, Random& random) = 0;
  double p_;
  Tensor random_state_;
};

/// Zeroes elements with probability p and scales the others by 1 / (1 - p), as core/ops/dropout.h.
class Dropout final : public DropLayer {
 public:
  explicit Dropout(double p, std::optional<std::uint64_t> seed = {})
      : DropLayer("Dropout", p, seed) {}
  std::string class_name() const override { return "Dropout"; }

 private:
  Tensor drop(const Tensor& x, double p, Random& random) override;
};

/// Zeroes samples with probability p and scales the others by 1 / (1 - p), as
/// core/ops/stochastic_depth.h: the end of a path that is left out for some images.
class StochasticDepth final : public DropLayer {
 public:
  explicit StochasticDepth(double p, std::optional<std::uint64_t> seed = {})
      : DropLayer("StochasticDepth", p, seed) {}
  std::string class_name() const override { return "StochasticDepth"; }

 private:
  Tensor drop(const Tensor& x, double p, Random& random) override;
};

}  // namespace resgrad
