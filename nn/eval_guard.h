#pragma once

#include <utility>
#include <vector>

#include "nn/module.h"

namespace resgrad {

/// Puts a module and all below it into evaluation mode and, at its end, each of them back into the
/// mode that it was in before: layers that were frozen by eval() stay frozen. `module` and those
/// below it must outlive the guard. Whether gradients are recorded is NoGradGuard's business.
class EvalGuard {
 public:
  explicit EvalGuard(Module& module);
  ~EvalGuard();
  EvalGuard(const EvalGuard&) = delete;
  EvalGuard& operator=(const EvalGuard&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> modes_;  // whether each was training
};

}  // namespace resgrad
