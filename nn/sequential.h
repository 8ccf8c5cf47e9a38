#pragma once

#include <initializer_list>

#include "nn/module.h"

namespace resgrad {

/// Modules applied one after the other; children are named "0", "1", ...
/// A BatchNorm2d with a ReLU right behind it runs as one operation, with the Conv2d behind both if
/// there is one, unless an observer wants to see each; the result is the same, with a convolution
/// up to rounding.
class Sequential final : public Module {
 public:
  Sequential() = default;
  Sequential(std::initializer_list<ModulePtr> modules) {
    for (const ModulePtr& module : modules) append(module);
  }

  void append(ModulePtr module) { register_module(std::to_string(children().size()), module); }
  std::string class_name() const override { return "Sequential"; }

  /// Applies all modules but the last, for an owner that joins that one with what follows.
  /// Throws  StateError when there is none.
  Tensor without_last(const Tensor& x);

 private:
  Tensor forward(const Tensor& x) override { return apply_first(children().size(), x); }
  Tensor apply_first(std::size_t count, const Tensor& x);
  /// Child number i as an M; null if it is something else or not among the first `count`.
  template <class M>
  M* child_as(std::size_t i, std::size_t count) const;
};

}  // namespace resgrad
