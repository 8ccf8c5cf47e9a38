#include "train/signals.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>

#include "core/check.h"
#include "tests/support/in_child.h"

using namespace resgrad;

namespace {

// Whether a stop is requested soon: a thread passes the signal on.
bool requested(const std::stop_token& stop) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!stop.stop_requested() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return stop.stop_requested();
}

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

// How a process ends in which f() runs: its wait status.
template <class F>
int status_of(F f) {
  const pid_t child = fork();
  if (child == 0) {
    for (const int signal : kSignals) std::signal(signal, SIG_DFL);  // doctest has handlers
    f();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("the first signal is a request to stop") {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR2}) {
    CAPTURE(signal);
    const StopSignals signals;
    CHECK(StopSignals::received() == 0);
    CHECK_FALSE(signals.token().stop_requested());
    std::raise(signal);
    CHECK(StopSignals::received() == signal);
    CHECK(requested(signals.token()));
  }
  CHECK(StopSignals::received() == 0);
}

TEST_CASE("SIGUSR1 asks for a checkpoint, once") {
  {
    const StopSignals signals;
    CHECK_FALSE(StopSignals::take_save_request());
    std::raise(SIGUSR1);
    CHECK(StopSignals::received() == 0);
    CHECK(StopSignals::take_save_request());
    CHECK_FALSE(StopSignals::take_save_request());
    CHECK_FALSE(signals.token().stop_requested());
    std::raise(SIGUSR1);
  }
  const StopSignals other;
  CHECK_FALSE(StopSignals::take_save_request());
}

TEST_CASE("a second SIGINT or SIGTERM ends the process at once") {
  for (const int first : {SIGINT, SIGTERM, SIGHUP}) {
    for (const int second : {SIGINT, SIGTERM}) {
      const int status = status_of([=] {
        const StopSignals signals;
        std::raise(first);
        std::raise(second);
      });
      CHECK(WIFSIGNALED(status));
      CHECK(WTERMSIG(status) == second);
    }
  }
}

TEST_CASE("a terminal that closes sends SIGHUP twice: the second one changes nothing") {
  const int status = status_of([] {
    const StopSignals signals;
    std::raise(SIGHUP);
    std::raise(SIGHUP);
  });
  CHECK(WIFEXITED(status));
}

TEST_CASE("a signal that is ignored from the start stays so, as under nohup") {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    CAPTURE(signal);
    const auto before = std::signal(signal, SIG_IGN);
    {
      const StopSignals signals;
      std::raise(signal);
      CHECK(StopSignals::received() == 0);
      std::raise(signal == SIGINT ? SIGTERM : SIGINT);  // nor does another one bring it back
      std::raise(signal);
    }
    const bool still_ignored = std::signal(signal, before) == SIG_IGN;
    CHECK(still_ignored);
  }
}

TEST_CASE("a reader of the output that goes does not end the process") {
  const StopSignals signals;
  std::raise(SIGPIPE);
  CHECK(StopSignals::received() == 0);
}

TEST_CASE("afterwards signals do what they did before") {
  for (const int signal : kSignals) {
    const int status = status_of([=] {
      { const StopSignals signals; }
      std::raise(signal);
    });
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal);
  }
}

TEST_CASE("a thread that cannot be started is an error, and leaves no descriptor open") {
  const std::string result = testing::in_child_without_threads([] {
    const auto lowest_free = [] {
      const int free = ::dup(0);
      ::close(free);
      return free;
    };
    const int before = lowest_free();
    try {
      const StopSignals signals;
    } catch (const IoError& error) {
      return std::string(error.what()) + (lowest_free() == before ? "" : "; leaked");
    }
    return std::string("no error");
  });
  CHECK(result ==
        "signals: expected another thread (ulimit -u), got: Resource temporarily unavailable");
}
