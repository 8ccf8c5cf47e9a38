// The folder that a run writes to.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

namespace resgrad {

/// The files in `folder` that have the names of those that a run writes: settings, metrics, log,
/// events, profile, checkpoints. None of a folder that is not there.
std::vector<std::filesystem::path> run_files(const std::filesystem::path& folder);

/// Whether weights are among them.
bool holds_weights(const std::filesystem::path& folder);

/// What becomes of run_files() that an earlier run left in a folder.
enum class EarlierRun {
  keep,    ///< they stay: the run goes on
  move,    ///< they are moved aside
  remove,  ///< they are deleted
};

/// Makes a folder ready for a run and holds it while alive: a second run in it is an error.
class RunFolder {
 public:
  /// To move an earlier run aside, the folder is renamed to `path`.previous-N. Where that would
  /// take more along or cannot be (a symbolic link, the current folder, a mount point, a folder
  /// with subfolders, in which other runs may work), its run_files() go to `path`/previous-N one by
  /// one. Temporaries of killed processes are removed.
  /// Throws  IoError when the folder cannot be made, files cannot be moved or removed, or another
  ///         process works in it.
  RunFolder(std::filesystem::path path, EarlierRun earlier);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Where the earlier run went.
  const std::optional<std::filesystem::path>& moved() const { return moved_; }

 private:
  void create_and_lock();
  bool move_whole();
  void move_files();
  void remove_files();
  void unlock();

  std::filesystem::path path_;
  std::optional<std::filesystem::path> moved_;
  int fd_ = -1;
};

}  // namespace resgrad
