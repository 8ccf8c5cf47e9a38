#include "core/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/text.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".tmp-";
// What the name of a temporary keeps of the file's own, so that it is not too long for one.
constexpr std::size_t kMostOfName = 200;

// Repeats a call that a signal interrupted.
template <class F>
auto retry(F&& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// The PID in the name of a temporary, or nothing for the name of another file.
std::optional<pid_t> owner_of(const std::string& name) {
  const std::size_t mark = name.rfind(kMark);
  if (!name.starts_with('.') || mark == std::string::npos) return std::nullopt;
  const auto numbers = split(std::string_view(name).substr(mark + kMark.size()), '-');
  if (numbers.size() != 2 || !number_in<unsigned>(numbers[1])) return std::nullopt;
  const auto pid = number_in<pid_t>(numbers[0]);
  return pid && *pid > 0 ? pid : std::nullopt;
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  static std::atomic<unsigned> count = 0;
  std::error_code ignored;
  const fs::file_status there = fs::status(path_, ignored);
  require<IoError>(path_.has_filename() && !fs::is_directory(there),
                   "write: {}: expected the name of a file, got a folder", path_.string());
  // which a rename would replace, for who may: /dev/null would be gone for all
  require<IoError>(!fs::exists(there) || fs::is_regular_file(there),
                   "write: {}: expected the name of a file, got a device or pipe", path_.string());
  do {
    temporary_ = folder_of(path_) / fmt::format(".{}{}{}-{}",
                                                path_.filename().string().substr(0, kMostOfName),
                                                kMark, ::getpid(), count++);
    fd_ = retry(
        [&] { return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
    // a process of this number that was killed may have left one
  } while (fd_ == -1 && errno == EEXIST);
  if (fd_ == -1) fail("create a file in the folder");
}

AtomicFile::~AtomicFile() {
  if (fd_ != -1) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  require<StateError>(fd_ != -1, "write: {}: expected an open file, got a committed one",
                      path_.string());
  while (!bytes.empty()) {
    const ssize_t n = retry([&] { return ::write(fd_, bytes.data(), bytes.size()); });
    if (n == -1) fail("write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::flush() {
  require<StateError>(fd_ != -1, "write: {}: expected an open file, got a committed one",
                      path_.string());
  if (retry([&] { return ::fsync(fd_); }) == -1) fail("flush");
}

void AtomicFile::commit() {
  flush();  // the contents before the name: otherwise a crash can leave the name with no contents
  // close() frees the descriptor even when it fails, so it is not repeated
  const int closed = ::close(std::exchange(fd_, -1));
  if (closed == -1 && errno != EINTR) fail("close");
  if (std::rename(temporary_.c_str(), path_.c_str()) == -1) fail("rename the new file");
  temporary_.clear();

  const int folder =
      retry([&] { return ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  // one that may not be read: the file is in its place all the same
  if (folder == -1 && (errno == EACCES || errno == EPERM)) return;
  if (folder == -1) fail("open the folder");
  const int synced = retry([&] { return ::fsync(folder); });
  const int error = errno;
  ::close(folder);
  errno = error;
  // some file systems cannot flush a folder and say so with EINVAL
  if (synced == -1 && error != EINVAL) fail("flush the folder");
}

void AtomicFile::fail(const char* action) const {
  const int error = errno;
  throw IoError(
      fmt::format("write: {}: expected to {}, got: {}", path_.string(), action, strerror(error)));
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

void remove_stale_temporaries(const fs::path& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::optional<pid_t> pid = owner_of(entry.path().filename().string());
    if (!pid) continue;
    const bool runs = *pid != ::getpid() && (::kill(*pid, 0) == 0 || errno == EPERM);
    std::error_code ignored;
    if (!runs) fs::remove(entry.path(), ignored);
  }
}

}  // namespace resgrad
