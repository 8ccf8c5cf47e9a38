// Event files that TensorBoard reads: scalars by step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/io/append_file.h"

namespace resgrad {

/// CRC-32C (Castagnoli) of `bytes`: reflected polynomial 0x82f63b78, initial and final value ~0.
std::uint32_t crc32c(std::string_view bytes);

/// The checksum as TFRecord stores it: rotated and offset, so that a checksum of data that holds
/// checksums is no trivial one.
/// Source  TensorFlow, core/lib/hash/crc32c.h.
std::uint32_t masked_crc32c(std::string_view bytes);

struct Scalar {
  std::string tag;  ///< parts in front of a "/" group the charts
  double value;     ///< stored as float
};

/// Writes events.out.tfevents.SECONDS.HOST.PID.COUNT in `folder`: records of
///   u64 length, u32 masked crc of the length, data, u32 masked crc of the data (little endian),
/// whose data are messages Event {1: wall_time (double), 2: step (int64), 3: file_version (string),
/// 5: Summary {1: Value {1: tag, 2: simple_value (float)}}, 7: SessionLog {1: status}}.
class EventFile {
 public:
  /// Starts a file. With `first_step` above 0 it says that a session starts at that step:
  /// TensorBoard then drops what earlier files of the folder have from there on.
  /// Throws  IoError when it cannot be written.
  explicit EventFile(const std::filesystem::path& folder, std::int64_t first_step = 0);

  /// One record with all `scalars` at `step`.
  /// Throws  IoError as AppendFile::append().
  void append(std::int64_t step, const std::vector<Scalar>& scalars);

  const std::filesystem::path& path() const { return path_; }

 private:
  void append_record(const std::string& event);

  std::filesystem::path path_;
  AppendFile file_;
};

}  // namespace resgrad
