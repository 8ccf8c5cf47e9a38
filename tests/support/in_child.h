// Processes in which a test may set limits and change the user.
#pragma once

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <string>

namespace resgrad::testing {

/// Runs `f`, which returns a string, in a child process, and returns the string; that of an
/// exception is its message after "uncaught: ".
template <class F>
std::string in_child(F&& f) {
  int ends[2];
  REQUIRE_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string text;
    try {
      text = f();
    } catch (const std::exception& e) {
      text = std::string("uncaught: ") + e.what();
    }
    const bool sent = ::write(ends[1], text.data(), text.size()) == std::ssize(text);
    ::_exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
  return text;
}

/// The same in a process that can start no thread: a user with a limit of one process. Root has no
/// such limit and becomes nobody.
template <class F>
std::string in_child_without_threads(F&& f) {
  return in_child([&] {
    const rlimit limit{1, 1};
    constexpr uid_t kNobody = 65534;
    if (::setrlimit(RLIMIT_NPROC, &limit) != 0 || (::getuid() == 0 && ::setuid(kNobody) != 0)) {
      return std::string("the limit cannot be set");
    }
    return f();
  });
}

}  // namespace resgrad::testing
