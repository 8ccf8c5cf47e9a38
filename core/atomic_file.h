// Files that are either written in full or not at all. POSIX calls only.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace resgrad {

/// A file under construction: a hidden temporary beside `path` that takes its place on commit().
/// Until then, and when anything fails, a file at `path` stays as it was. The temporary is removed
/// by the destructor; only a killed process leaves it behind, as `.NAME.tmp-PID-COUNT` (of a
/// long NAME 200 bytes), for remove_stale_temporaries().
/// Permissions are those of a new file; a symbolic link at `path` is replaced, not followed.
class AtomicFile {
 public:
  /// Throws  IoError that names the path and the reason when it is a folder or a device, or the
  ///         temporary cannot be created.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends all of `bytes`; throws IoError, such as on a full disk.
  void write(std::span<const std::byte> bytes);
  /// Flushes the contents to the disk.
  /// Throws  IoError.
  void flush();
  /// Flushes the file to the disk, renames it to `path` and flushes the folder, so that after a
  /// power failure there is the old or the new file, never a part. Call once, last.
  void commit();

 private:
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path path_, temporary_;
  int fd_ = -1;
};

/// Writes `text`, whatever its bytes are, to `path` by an AtomicFile.
/// Throws  IoError as AtomicFile does.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Removes the temporaries that killed processes left in `folder`: those whose PID is this process
/// or none that runs. Call before this process writes there. Files that cannot be removed stay.
void remove_stale_temporaries(const std::filesystem::path& folder);

}  // namespace resgrad
