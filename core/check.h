// Errors: the exception types of the project and the helpers that throw them.
// Every message follows one grammar: "<op>: <argument>: expected <what>, got <what>".
// Nothing here prints or exits; only the command line does.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>

namespace resgrad {

/// A tensor of the wrong rank or size was passed.
struct ShapeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// An argument other than a shape is out of its range, or of the wrong dtype.
struct ValueError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// Operations were called in an order that is not allowed, such as backward() twice.
struct StateError : std::logic_error {
  using std::logic_error::logic_error;
};

/// A file or folder is missing, damaged or cannot be written.
struct IoError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws  `Error` with the formatted message unless `ok`.
template <class Error, class... Args>
void require(bool ok, fmt::format_string<Args...> message, Args&&... args) {
  if (!ok) throw Error(fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace resgrad
