// metrics.jsonl: training steps as they went, one JSON object a line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <limits>
#include <optional>
#include <string>

#include "train/io/append_file.h"

namespace resgrad {

/// What a record says of a training step.
struct StepMetrics {
  std::int64_t step = 0;                                   ///< updates since the start of training
  std::int64_t epoch = 0;                                  ///< from 1
  double loss = std::numeric_limits<double>::quiet_NaN();  ///< of this step's batch
  double top1 = std::numeric_limits<double>::quiet_NaN();  ///< percent, of this step's batch
  double lr = std::numeric_limits<double>::quiet_NaN();    ///< of this step
  // over the steps since the record before, or since the epoch began or was continued
  double images_per_s = std::numeric_limits<double>::quiet_NaN();
  double data_wait = std::numeric_limits<double>::quiet_NaN();  ///< share of the time, in [0, 1]
  std::optional<double> grad_norm = {};  ///< of all gradients together, before clipping
};

/// Writes lines of
///   {"step":50,"epoch":1,"loss":2.1,"top1":23.4,"lr":0.1,"images_per_s":940.2,"data_wait":0.0012,
///    "grad_norm":1.23,"time":1700000000.123}
/// with loss, top1, lr and grad_norm in as many digits as give the same double back, `time` in
/// seconds since 1970, and null for what is not finite; without grad_norm when that is nothing.
class MetricsJsonl {
 public:
  /// Starts the file anew or, with a `last_step` above 0, goes on with it: lines of later steps, a
  /// last line without its end and lines that are no objects with a step are dropped.
  /// Throws  IoError when it cannot be read or written.
  explicit MetricsJsonl(const std::filesystem::path& path, std::int64_t last_step = 0);

  /// Lines that were dropped since they are no objects with a step: how many, and the first.
  struct Unreadable {
    std::int64_t count = 0, first = 0;
  };
  const Unreadable& unreadable() const { return unreadable_; }

  /// Throws  IoError as AppendFile::append().
  void append(const StepMetrics& metrics);

 private:
  Unreadable unreadable_;
  AppendFile file_;
};

/// The lines of such a file that stay when it goes on behind `last_step`; counts the unreadable.
std::string lines_up_to(std::istream& file, std::int64_t last_step,
                        MetricsJsonl::Unreadable& unreadable);

}  // namespace resgrad
