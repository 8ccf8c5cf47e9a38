#include "train/signals.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

using namespace resgrad;

TEST_CASE("the first signal is a wish to stop") {
  {
    const StopSignals signals;
    CHECK(StopSignals::pending() == 0);
    std::raise(SIGTERM);
    CHECK(StopSignals::pending() == SIGTERM);
  }
  CHECK(StopSignals::pending() == 0);
  const StopSignals again;
  CHECK(StopSignals::pending() == 0);
}

TEST_CASE("a second signal ends the process at once") {
  const pid_t child = fork();
  if (child == 0) {
    const StopSignals signals;
    std::raise(SIGINT);
    std::raise(SIGINT);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGINT);
}

TEST_CASE("a reader of the output that goes does not end the process") {
  const StopSignals signals;
  std::raise(SIGPIPE);
  CHECK(StopSignals::pending() == 0);
}
