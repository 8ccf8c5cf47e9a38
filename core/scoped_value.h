// A variable that has another value for the lifetime of a guard.
#pragma once

#include <utility>

namespace resgrad {

/// Sets `variable` to `value` and back to what it was when this goes out of scope, also by an
/// exception: the part that the guards of thread-local state have in common. Guards of one variable
/// must end in the reverse order of their beginnings, as scopes do.
template <class T>
class ScopedValue {
 public:
  ScopedValue(T& variable, T value)
      : variable_(variable), previous_(std::exchange(variable, std::move(value))) {}
  ~ScopedValue() { variable_ = std::move(previous_); }
  ScopedValue(const ScopedValue&) = delete;
  ScopedValue& operator=(const ScopedValue&) = delete;

 private:
  T& variable_;
  T previous_;
};

}  // namespace resgrad
