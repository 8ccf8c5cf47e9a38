#pragma once

#include <initializer_list>

#include "nn/module.h"

namespace resgrad {

/// Modules applied one after the other; children are named "0", "1", ...
class Sequential final : public Module {
 public:
  Sequential() = default;
  Sequential(std::initializer_list<ModulePtr> modules) {
    for (const ModulePtr& module : modules) append(module);
  }

  void append(ModulePtr module) { register_module(std::to_string(children().size()), module); }
  std::string class_name() const override { return "Sequential"; }

 private:
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (const auto& [name, child] : children()) y = (*child)(y);
    return y;
  }
};

}  // namespace resgrad
