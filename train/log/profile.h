// Where the time of training steps goes: every piece of a step, with its arithmetic and traffic.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/autograd/observer.h"
#include "core/clock.h"

namespace resgrad {

/// While it is alive, divides the time of this thread among what is done in it. It has one clock
/// hand: the time since the last piece of work ended is that of the piece that ends now, so that
/// the pieces add up to the whole. Operations report themselves as they ran, joined ones as one;
/// mark() names what does not.
class Profile final : WorkObserver {
 public:
  /// `traced_steps`: the first so many steps are kept piece by piece, for trace().
  explicit Profile(std::int64_t traced_steps = 0);

  /// The time since the last piece was `name`, which read and wrote `bytes` (0: not counted).
  void mark(std::string_view name, double bytes = 0);
  /// A step ends here.
  void end_step();
  std::int64_t steps() const { return steps_; }
  /// The time of all pieces.
  double seconds() const { return seconds_; }

  /// Two tables over the steps that ended. The first has a row per operation and phase: calls and
  /// milliseconds per step, share of the time, GFLOP/s of matrix products, GB/s and MB per step
  /// of the tensors that were read and written, each counted once. The second divides convolutions
  /// by sizes and phase and names the engine that computed each.
  std::string table() const;

  /// The traced steps in the trace-event format of chrome://tracing and ui.perfetto.dev: complete
  /// events with ts and dur in microseconds, a slice per step and in it one per piece, whose args
  /// have flops, bytes, engine and shape.
  /// Source  "Trace Event Format", Google.
  std::string trace() const;

 private:
  struct Entry {
    std::int64_t calls = 0;
    double seconds = 0, flops = 0, bytes = 0;
  };
  struct Event {
    std::string name, phase;
    double start = 0, seconds = 0, flops = 0, bytes = 0;  // start: since the profile began
    std::string engine = {}, shape = {};
  };

  void done(const Work& work) override;
  std::string rows(const std::map<std::string, Entry>& entries) const;

  std::int64_t traced_steps_, steps_ = 0;
  Clock::time_point begin_;
  double seconds_ = 0;
  std::map<std::string, Entry> operations_;    // "conv2d forward"
  std::map<std::string, Entry> convolutions_;  // "3x3 16->16 @32x32 forward, winograd"
  std::vector<Event> events_;
  std::vector<std::size_t> step_events_;  // places in events_
};

}  // namespace resgrad
