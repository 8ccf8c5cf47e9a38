// Whether operations are recorded for backward. Independent of a module's train/eval mode.
#pragma once

namespace resgrad {

/// True unless a NoGradGuard is alive in this thread.
bool grad_enabled();

/// Stops the recording of operations in this thread for the guard's lifetime.
class NoGradGuard {
 public:
  NoGradGuard();
  ~NoGradGuard();
  NoGradGuard(const NoGradGuard&) = delete;
  NoGradGuard& operator=(const NoGradGuard&) = delete;

 private:
  bool previous_;
};

/// Lets operations be recorded again inside a NoGradGuard, for the guard's lifetime: for a backward
/// that has to run a forward pass.
class EnableGradGuard {
 public:
  EnableGradGuard();
  ~EnableGradGuard();
  EnableGradGuard(const EnableGradGuard&) = delete;
  EnableGradGuard& operator=(const EnableGradGuard&) = delete;

 private:
  bool previous_;
};

}  // namespace resgrad
