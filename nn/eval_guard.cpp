#include "nn/eval_guard.h"

namespace resgrad {

EvalGuard::EvalGuard(Module& module) {
  module.apply([this](Module& m) { modes_.emplace_back(&m, m.training_); });
  module.eval();
}

EvalGuard::~EvalGuard() {
  for (const auto& [module, training] : modes_) module->training_ = training;
}

}  // namespace resgrad
