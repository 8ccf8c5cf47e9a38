// What the tests of blocks and networks ask of modules.
#pragma once

#include <string>
#include <vector>

#include "nn/module.h"

namespace resgrad::testing {

/// The child called `name`; fails with ValueError when there is none.
inline ModulePtr child_of(const Module& module, const std::string& name) {
  for (const auto& [child_name, child] : module.children()) {
    if (child_name == name) return child;
  }
  throw ValueError("test: no child " + name);
}

/// The class names of the children: "Conv2d BatchNorm2d ReLU".
inline std::string classes_in(const Module& module) {
  std::string names;
  for (const auto& [name, child] : module.children()) {
    if (!names.empty()) names += " ";
    names += child->class_name();
  }
  return names;
}

/// The shapes of the parameters of rank 4, in order.
inline std::vector<Shape> conv_shapes(const Module& module) {
  std::vector<Shape> shapes;
  for (const NamedTensor& p : module.named_parameters()) {
    if (p.tensor.rank() == 4) shapes.push_back(p.tensor.shape());
  }
  return shapes;
}

/// The names of parameters without a gradient, or with one that is 0 everywhere or not finite.
inline std::string without_gradient(const Module& module) {
  std::string names;
  for (const NamedTensor& p : module.named_parameters()) {
    bool any = false, finite = true;
    if (p.tensor.grad().defined()) {
      for (double g : p.tensor.grad().to_vector<double>()) {
        any = any || g != 0;
        finite = finite && g - g == 0;
      }
    }
    if (!any || !finite) names += p.name + "\n";
  }
  return names;
}

}  // namespace resgrad::testing
