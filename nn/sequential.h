#pragma once

#include <initializer_list>

#include "nn/module.h"

namespace resgrad {

/// Modules applied one after the other; children are named "0", "1", ...
/// Some that stand next to each other run as one operation: see apply_in_turn in nn/fused.h.
class Sequential final : public Module {
 public:
  Sequential() = default;
  Sequential(std::initializer_list<ModulePtr> modules) {
    for (const ModulePtr& module : modules) append(module);
  }

  void append(const ModulePtr& module) {
    register_module(std::to_string(children().size()), module);
  }
  std::string class_name() const override { return "Sequential"; }
  bool applies_children_in_turn() const override { return true; }
  std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                          const std::string& x) const override {
    return children_to_onnx(graph, path, x);
  }

 private:
  Tensor forward(const Tensor& x) override;
};

}  // namespace resgrad
