// The message of an error, for tests that compare messages.
#pragma once

#include <functional>
#include <string>

#include "core/check.h"

namespace resgrad::testing {

/// What the ValueError that `f` throws says, or "no error".
inline std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace resgrad::testing
