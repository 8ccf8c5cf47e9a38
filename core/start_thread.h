// Threads that the system may refuse to start.
#pragma once

#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "core/check.h"

namespace resgrad {

/// A thread that runs f, for `what`, which stands for it in messages.
/// Throws  IoError with the reason when none can be started: the limit of processes of a user
///         (ulimit -u) or of a container counts threads.
template <class Thread = std::thread, class F>
Thread start_thread(std::string_view what, F&& f) {
  try {
    return Thread(std::forward<F>(f));
  } catch (const std::system_error& error) {
    throw IoError(fmt::format("{}: expected another thread (ulimit -u), got: {}", what,
                              error.code().message()));
  }
}

}  // namespace resgrad
