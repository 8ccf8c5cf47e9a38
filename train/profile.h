// Where the time of training steps goes.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "core/autograd/engine.h"
#include "nn/module.h"

namespace resgrad {

/// While it is alive, sums up the time of forward per kind of layer (leaf modules) and of backward
/// per kind of operation, in this thread.
class Profile final : CallObserver, BackwardObserver {
 public:
  /// A table of the `steps` steps that ran since the start: milliseconds per step and shares of
  /// `seconds`, the time they took in all; what neither layers nor operations used is `other`.
  std::string table(std::int64_t steps, double seconds) const;

 private:
  struct Entry {
    std::int64_t calls = 0;
    double seconds = 0;
  };
  using Clock = std::chrono::steady_clock;

  void enter(const Module& module, const Tensor& x) override;
  void leave(const Module& module, const Tensor& y) override;
  void enter(const Node& node) override;
  void leave(const Node& node) override;

  std::map<std::string, Entry> entries_;
  std::vector<Clock::time_point> started_;
};

}  // namespace resgrad
