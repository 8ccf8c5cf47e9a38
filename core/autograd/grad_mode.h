// Whether operations are recorded for backward. Independent of a module's train/eval mode.
#pragma once

#include "core/scoped_value.h"

namespace resgrad {

/// True unless a NoGradGuard is alive in this thread.
bool grad_enabled();

/// Stops the recording of operations in this thread for the guard's lifetime.
class NoGradGuard {
 public:
  NoGradGuard();

 private:
  ScopedValue<bool> enabled_;
};

/// Lets operations be recorded again inside a NoGradGuard, for the guard's lifetime: for a backward
/// that has to run a forward pass.
class EnableGradGuard {
 public:
  EnableGradGuard();

 private:
  ScopedValue<bool> enabled_;
};

}  // namespace resgrad
