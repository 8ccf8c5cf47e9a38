#pragma once

#include <string>

#include "core/tensor.h"

namespace resgrad {

/// A tensor under its name in the network, such as `stage2.0.main_path.0.weight`.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

}  // namespace resgrad
