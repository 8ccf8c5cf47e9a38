#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/check.h"
#include "train/io/atomic_file.h"

namespace resgrad {

namespace fs = std::filesystem;

RunFolder::RunFolder(fs::path path, bool go_on) : path_(std::move(path)) {
  if (!path_.has_filename()) path_ = path_.parent_path();  // "runs/a/"
  std::error_code error;
  if (!go_on && fs::exists(path_ / "args.json", error)) {
    lock();  // not from under a run that writes there
    ::close(std::exchange(fd_, -1));
    int n = 1;
    const auto candidate = [&] {
      return fs::path(fmt::format("{}.previous-{}", path_.string(), n));
    };
    while (fs::exists(candidate(), error)) ++n;
    moved_ = candidate();
    fs::rename(path_, *moved_, error);
    require<IoError>(!error, "output: {}: expected to move the earlier run to {}, got: {}",
                     path_.string(), moved_->string(), error.message());
  }
  fs::create_directories(path_, error);
  require<IoError>(!error, "output: {}: expected a folder that can be created, got: {}",
                   path_.string(), error.message());
  lock();
  remove_stale_temporaries(path_);
}

RunFolder::~RunFolder() {
  if (fd_ != -1) ::close(fd_);  // which ends the lock, as the end of the process does
}

void RunFolder::lock() {
  fd_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // file systems without locks fail in another way, and go without
  const bool held = fd_ != -1 && ::flock(fd_, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
  if (held) ::close(std::exchange(fd_, -1));
  require<IoError>(!held,
                   "output: {}: expected a folder for this run alone, got one that another "
                   "process writes to",
                   path_.string());
}

}  // namespace resgrad
