#include "core/autograd/grad_mode.h"

namespace resgrad {
namespace {
thread_local bool enabled = true;
}

bool grad_enabled() {
  return enabled;
}
NoGradGuard::NoGradGuard() : enabled_(enabled, false) {}
EnableGradGuard::EnableGradGuard() : enabled_(enabled, true) {}

}  // namespace resgrad
