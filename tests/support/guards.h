// Settings of the process that a test changes and puts back.
#pragma once

#include <string>

#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "core/parallel.h"

namespace resgrad::testing {

class ThreadsGuard {
 public:
  explicit ThreadsGuard(int n) : before_(num_threads()) { set_num_threads(n); }
  ~ThreadsGuard() { set_num_threads(before_); }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int before_;
};

/// Calls f(isa) under every instruction set that this machine supports, then restores the active
/// one.
template <class F>
void for_each_isa(F&& f) {
  struct Restore {
    kernels::Isa isa = kernels::active_isa();
    ~Restore() { kernels::set_isa(isa); }
  } const restore;
  for (kernels::Isa isa : kernels::kAllIsas) {
    if (kernels::set_isa(isa)) f(isa);
  }
}

/// Calls f(name) with every convolution engine set, then restores the setting.
template <class F>
void for_each_conv2d_engine(F&& f) {
  struct Restore {
    std::string setting{kernels::conv2d_engine_setting()};
    ~Restore() { kernels::set_conv2d_engine(setting); }
  } const restore;
  for (std::string_view engine : kernels::conv2d_engine_names()) {
    kernels::set_conv2d_engine(engine);
    f(engine);
  }
}

}  // namespace resgrad::testing
