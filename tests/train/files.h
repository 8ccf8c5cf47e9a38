// Reading files back, and processes whose files cannot grow, for tests that write files.
#pragma once

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/temporary_folder.h"

namespace resgrad::testing {

using resgrad::TemporaryFolder;

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs `f`, which returns a string, in a child process whose files cannot grow beyond `bytes`, and
/// returns the string; that of an exception is its message after "uncaught: ".
template <class F>
std::string in_child_with_file_limit(rlim_t bytes, F&& f) {
  int ends[2];
  REQUIRE_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // ignored, the signal leaves write() to fail with EFBIG
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
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

}  // namespace resgrad::testing
