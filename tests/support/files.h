// Reading files back, and processes whose files cannot grow, for tests that write files.
#pragma once

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/in_child.h"
#include "tests/support/temporary_folder.h"

namespace resgrad::testing {

using resgrad::TemporaryFolder;

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// in_child() in a process whose files cannot grow beyond `bytes`.
template <class F>
std::string in_child_with_file_limit(rlim_t bytes, F&& f) {
  return in_child([&] {
    // ignored, the signal leaves write() to fail with EFBIG
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    return f();
  });
}

}  // namespace resgrad::testing
