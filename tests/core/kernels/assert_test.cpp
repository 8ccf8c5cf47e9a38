#include "core/kernels/assert.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

using namespace resgrad;

namespace {

// How a child process ends, and what it writes to its standard error stream.
struct End {
  int status;
  std::string written;
};

template <class F>
End end_of_child(const F& f) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    dup2(ends[1], 2);
    f();
    _exit(0);
  }
  close(ends[1]);
  std::string written(4096, '\0');
  std::size_t size = 0;
  for (ssize_t n = 0; (n = read(ends[0], written.data() + size, written.size() - size)) > 0;) {
    size += static_cast<std::size_t>(n);
  }
  close(ends[0]);
  written.resize(size);
  int status = 0;
  waitpid(child, &status, 0);
  return {status, written};
}

}  // namespace

TEST_CASE("an assertion that fails ends the process with its text and place") {
  const End end =
      end_of_child([] { kernels::assertion_failed("rows <= plan.block", "kernel.cpp", 12); });
  CHECK(WIFSIGNALED(end.status));
  CHECK(WTERMSIG(end.status) == SIGABRT);
  CAPTURE(end.written);
  CHECK(end.written.find("kernel.cpp:12") != std::string::npos);
  CHECK(end.written.find("rows <= plan.block") != std::string::npos);
}

TEST_CASE("assertions are checked in builds that ask for it, and not even evaluated elsewhere") {
  int evaluated = 0;
  RESGRAD_ASSERT(++evaluated == 1);
#ifdef RESGRAD_ASSERTIONS
  CHECK(evaluated == 1);
  CHECK(WIFSIGNALED(end_of_child([] { RESGRAD_ASSERT(1 == 2); }).status));
#else
  CHECK(evaluated == 0);
  CHECK(end_of_child([] { RESGRAD_ASSERT(1 == 2); }).status == 0);
#endif
}
