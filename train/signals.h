// SIGINT and SIGTERM as a wish to stop, not as a death.
#pragma once

namespace resgrad {

/// While it is alive, the first SIGINT or SIGTERM only sets pending(); a second one ends the
/// process at once, as without it. SIGPIPE is ignored: whoever reads the output may go, the work
/// goes on. At most one may be alive.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The number of the signal that came, or 0; 0 when none is alive.
  static int pending();
};

}  // namespace resgrad
