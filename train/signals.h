// SIGINT, SIGTERM, SIGHUP and SIGUSR2 as a wish to stop, not as a death; SIGUSR1 as a wish to save.
#pragma once

#include <stop_token>
#include <thread>

namespace resgrad {

/// While it is alive, the first SIGINT, SIGTERM, SIGHUP or SIGUSR2 only requests a stop; another
/// SIGINT or SIGTERM then ends the process at once, as without it. SIGUSR1 asks for a checkpoint.
/// Of these mpirun gives SIGUSR1 and SIGUSR2 to all of its processes; on others it soon ends them.
/// Those that are ignored when it begins, such as SIGHUP under nohup, stay so. SIGPIPE is ignored:
/// whoever reads the output may go, the work goes on. At most one may be alive.
class StopSignals {
 public:
  /// Throws  IoError when the process has no file descriptor or thread left.
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  /// The number of the signal that came, or 0.
  static int received();
  /// Whether a SIGUSR1 came since the last call.
  static bool take_save_request();

 private:
  std::stop_source source_;
  int read_end_ = -1;
  std::thread watcher_;  // request_stop() may not be called in a signal handler
};

}  // namespace resgrad
