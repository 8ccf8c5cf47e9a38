#include "core/autograd/observer.h"

namespace resgrad {
namespace {

thread_local WorkObserver* observer = nullptr;

}  // namespace

WorkObserver::WorkObserver() : before_(observer), current_(observer, this) {}

UnobservedGuard::UnobservedGuard() : none_(observer, nullptr) {}

bool WorkObserver::active() {
  return observer != nullptr;
}

void report(const Work& work) {
  for (WorkObserver* o = observer; o != nullptr; o = o->before_) o->done(work);
}

double bytes_of(const Tensor& tensor) {
  if (!tensor.defined()) return 0;
  return static_cast<double>(tensor.numel()) * static_cast<double>(size_of(tensor.dtype()));
}

}  // namespace resgrad
