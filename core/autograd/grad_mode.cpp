#include "core/autograd/grad_mode.h"

#include <utility>

namespace resgrad {
namespace {
thread_local bool enabled = true;
}

bool grad_enabled() {
  return enabled;
}
NoGradGuard::NoGradGuard() : previous_(std::exchange(enabled, false)) {}
NoGradGuard::~NoGradGuard() {
  enabled = previous_;
}
EnableGradGuard::EnableGradGuard() : previous_(std::exchange(enabled, true)) {}
EnableGradGuard::~EnableGradGuard() {
  enabled = previous_;
}

}  // namespace resgrad
