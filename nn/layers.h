// Layers without parameters: thin modules around the operations of the same name.
#pragma once

#include <cstdint>
#include <optional>

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

/// In train mode zeroes elements with probability p and scales the others by 1 / (1 - p); in
/// evaluation mode the identity. Draws are keyed by (seed, number of the call in train mode).
/// Buffers  random_state (int64 [2]): the seed and the number of the next call, so that a state
///          dict says how its masks go on.
/// Initial  seed: init::draw_seed() if not given, so that no two layers share their masks.
/// Throws   ValueError unless 0 <= p < 1.
class Dropout final : public Module {
 public:
  explicit Dropout(double p, std::optional<std::uint64_t> seed = {});
  std::string class_name() const override { return "Dropout"; }
  std::string add_to_onnx(OnnxGraph&, const std::string&, const std::string& x) const override {
    return x;
  }

 private:
  Tensor forward(const Tensor& x) override;
  double p_;
  Tensor random_state_;
};

}  // namespace resgrad
