// The folder that a run writes to.
#pragma once

#include <filesystem>
#include <optional>

namespace resgrad {

/// Makes a folder ready for a run and holds it while alive: a second run in it is an error.
class RunFolder {
 public:
  /// A folder with an earlier run (one with args.json) is moved aside to `path`.previous-N, unless
  /// `go_on`: then its files stay, but for temporaries of killed processes, which are removed.
  /// Throws  IoError when the folder cannot be made or moved, or another process works in it.
  explicit RunFolder(std::filesystem::path path, bool go_on);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Where the earlier run went.
  const std::optional<std::filesystem::path>& moved() const { return moved_; }

 private:
  void lock();

  std::filesystem::path path_;
  std::optional<std::filesystem::path> moved_;
  int fd_ = -1;
};

}  // namespace resgrad
