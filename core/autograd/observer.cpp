#include "core/autograd/observer.h"

#include <utility>

namespace resgrad {
namespace {

thread_local WorkObserver* observer = nullptr;

}  // namespace

WorkObserver::WorkObserver() : previous_(std::exchange(observer, this)) {}
WorkObserver::~WorkObserver() {
  observer = previous_;
}

bool WorkObserver::active() {
  return observer != nullptr;
}

void report(const Work& work) {
  if (observer != nullptr) observer->done(work);
}

double bytes_of(const Tensor& tensor) {
  if (!tensor.defined()) return 0;
  return static_cast<double>(tensor.numel()) * static_cast<double>(size_of(tensor.dtype()));
}

}  // namespace resgrad
