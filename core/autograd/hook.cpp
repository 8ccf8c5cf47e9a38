#include "core/autograd/hook.h"

namespace resgrad {

void HookHandle::remove() {
  if (const auto hooks = hooks_.lock()) std::erase(*hooks, hook_.lock());
}

}  // namespace resgrad
