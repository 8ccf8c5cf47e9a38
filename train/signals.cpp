#include "train/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/check.h"
#include "core/start_thread.h"

namespace resgrad {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGUSR2, SIGUSR1, SIGPIPE};
std::array<struct sigaction, kSignals.size()> before;  // StopSignals

std::atomic<int> received_signal = 0;
std::atomic<bool> save_requested = false;
static_assert(std::atomic<int>::is_always_lock_free);
int write_end = -1;

extern "C" void on_stop_signal(int signal) {
  const int error = errno;
  received_signal = signal;
  // a terminal that closes sends SIGHUP, and its shell sends another: only the others end at once
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i] == SIGINT || kSignals[i] == SIGTERM)
      ::sigaction(kSignals[i], &before[i], nullptr);
  }
  const char wake = 1;
  [[maybe_unused]] const ssize_t written = ::write(write_end, &wake, 1);
  errno = error;
}

extern "C" void on_save_signal(int) {
  save_requested = true;
}

void (*handler_of(int signal))(int) {
  if (signal == SIGPIPE) return SIG_IGN;
  return signal == SIGUSR1 ? on_save_signal : on_stop_signal;
}

}  // namespace

StopSignals::StopSignals() {
  std::array<int, 2> ends{};
  require<IoError>(::pipe2(ends.data(), O_CLOEXEC) == 0, "signals: expected a pipe, got: {}",
                   strerror(errno));
  read_end_ = ends[0];
  write_end = ends[1];
  received_signal = 0;
  save_requested = false;
  const auto watch = [this] {
    char wake = 0;
    ssize_t n = 0;
    while ((n = ::read(read_end_, &wake, 1)) == -1 && errno == EINTR) {
    }
    if (n == 1) source_.request_stop();  // 0: the other end is closed
  };
  try {
    watcher_ = start_thread("signals", watch);
  } catch (const IoError&) {
    for (const int end : ends) ::close(end);
    throw;
  }
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &before[i]);
    struct sigaction action {};
    action.sa_handler = handler_of(kSignals[i]);
    action.sa_flags = SA_RESTART;
    if (before[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before[i], nullptr);
  ::close(write_end);
  watcher_.join();
  ::close(read_end_);
  received_signal = 0;
}

int StopSignals::received() {
  return received_signal;
}

bool StopSignals::take_save_request() {
  return save_requested.exchange(false);
}

}  // namespace resgrad
