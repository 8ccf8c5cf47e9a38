#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/atomic_file.h"
#include "core/check.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;

constexpr int kMostAttempts = 10;

bool is_weights(std::string_view name) {
  return (name.starts_with("last.") || name.starts_with("best.") || name.starts_with("ema.") ||
          name.starts_with("nonfinite.")) &&
         (name.ends_with(".safetensors") || name.ends_with(".safetensors.damaged"));
}

bool is_of_run(std::string_view name) {
  return name == "args.json" || name == "metrics.csv" || name == "metrics.jsonl" ||
         name == "train.log" || name == "profile.json" ||
         name.starts_with("events.out.tfevents.") || is_weights(name);
}

// The first of the names `prefix`1, `prefix`2, ... that is free.
fs::path free_name(const fs::path& prefix) {
  std::error_code ignored;
  for (int n = 1;; ++n) {
    fs::path name = prefix;
    name += std::to_string(n);
    if (!fs::exists(fs::symlink_status(name, ignored))) return name;
  }
}

bool has_subfolder(const fs::path& folder) {
  std::error_code ignored;
  const fs::directory_iterator entries(folder, ignored);
  return std::any_of(begin(entries), end(entries),
                     [&](const fs::directory_entry& entry) { return entry.is_directory(ignored); });
}

}  // namespace

std::vector<fs::path> run_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (is_of_run(entry.path().filename().string())) files.push_back(entry.path());
  }
  return files;
}

bool holds_weights(const fs::path& folder) {
  return std::ranges::any_of(
      run_files(folder), [](const fs::path& file) { return is_weights(file.filename().string()); });
}

RunFolder::RunFolder(fs::path path, EarlierRun earlier) : path_(std::move(path)) {
  if (!path_.has_filename()) path_ = path_.parent_path();  // "runs/a/"
  create_and_lock();
  try {
    if (earlier == EarlierRun::move && !run_files(path_).empty()) {
      if (move_whole()) {
        unlock();
        create_and_lock();
      } else {
        move_files();
      }
    }
    if (earlier == EarlierRun::remove) remove_files();
  } catch (...) {
    unlock();
    throw;
  }
  remove_stale_temporaries(path_);
}

RunFolder::~RunFolder() {
  unlock();
}

void RunFolder::unlock() {
  if (fd_ != -1) ::close(std::exchange(fd_, -1));  // as the end of the process does
}

void RunFolder::create_and_lock() {
  for (int attempt = 1;; ++attempt) {
    std::error_code error;
    fs::create_directories(path_, error);
    require<IoError>(fs::is_directory(path_),
                     "output: {}: expected a folder that can be created, got: {}", path_.string(),
                     error ? error.message() : "a file");
    fd_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd_ == -1) return;  // without the right to read it, there is no lock
    // file systems without locks fail in another way, and go without
    const bool held = ::flock(fd_, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
    if (held) unlock();
    require<IoError>(!held,
                     "output: {}: expected a folder for this run alone, got one that another "
                     "process writes to",
                     path_.string());
    struct stat locked {
    }, now{};
    const bool same = ::fstat(fd_, &locked) == 0 && ::stat(path_.c_str(), &now) == 0 &&
                      locked.st_dev == now.st_dev && locked.st_ino == now.st_ino;
    if (same || attempt == kMostAttempts) return;  // some file systems number anew each time
    unlock();                                      // another process has just moved it away
  }
}

// Whether the folder itself has become that of the earlier run.
bool RunFolder::move_whole() {
  std::error_code error;
  if (fs::is_symlink(path_) || fs::equivalent(path_, ".", error) || has_subfolder(path_)) {
    return false;
  }
  const fs::path target = free_name(fs::path(path_) += ".previous-");
  fs::rename(path_, target, error);
  if (!error) moved_ = target;
  return !error;
}

void RunFolder::move_files() {
  const fs::path target = free_name(path_ / "previous-");
  std::error_code error;
  fs::create_directory(target, error);
  for (const fs::path& file : run_files(path_)) {
    if (!error) fs::rename(file, target / file.filename(), error);
    require<IoError>(!error, "output: {}: expected to move the earlier run to {}, got: {}",
                     path_.string(), target.string(), error.message());
  }
  moved_ = target;
}

void RunFolder::remove_files() {
  for (const fs::path& file : run_files(path_)) {
    std::error_code error;
    fs::remove(file, error);
    require<IoError>(!error, "output: {}: expected to remove it, got: {}", file.string(),
                     error.message());
  }
}

}  // namespace resgrad
