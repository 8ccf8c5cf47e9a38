// Who wants to know what the operations of this thread did, and what they cost; for profiling.
#pragma once

#include <string>
#include <string_view>

#include "core/scoped_value.h"
#include "core/tensor.h"

namespace resgrad {

/// A piece of work that has just ended, as an operation reports it.
struct Work {
  std::string_view name;      ///< of the operation, such as "conv2d"
  std::string_view phase;     ///< "forward", "backward", "backward_input" ...
  double flops = 0;           ///< of matrix products, a multiply-add being two; 0: memory bounds it
  double bytes = 0;           ///< of the tensors that it read and wrote, each counted once
  std::string_view engine{};  ///< how it was computed, where there is a choice
  std::string shape{};        ///< sizes that its speed depends on, where there is an engine
};

/// Sees the work of forward, where it is recorded for backward, and of backward() in this thread
/// while it is alive; of several, the latest sees it first. Work that reports nothing (most
/// operations that are not recorded, the optimiser) passes by.
class WorkObserver {
 public:
  WorkObserver();
  virtual ~WorkObserver() = default;

  /// True while one is alive in this thread. Operations ask before they describe their work.
  static bool active();

  /// Called when `work` has ended.
  virtual void done(const Work& work) = 0;

 private:
  friend void report(const Work& work);

  WorkObserver* before_;
  ScopedValue<WorkObserver*> current_;
};

/// While it lives, no observer of this thread is told of anything.
class UnobservedGuard {
 public:
  UnobservedGuard();

 private:
  ScopedValue<WorkObserver*> none_;
};

/// Tells the observers of this thread.
void report(const Work& work);

/// Bytes of the elements of `tensor`, 0 when it is undefined.
double bytes_of(const Tensor& tensor);

}  // namespace resgrad
