#include "train/io/append_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/check.h"

namespace resgrad {

AppendFile::AppendFile(std::string what, std::filesystem::path path)
    : what_(std::move(what)), path_(std::move(path)), file_(std::fopen(path_.c_str(), "abe")) {
  require<IoError>(file_ != nullptr, "{}: {}: expected to open it for appending, got: {}", what_,
                   path_.string(), strerror(errno));
  // a piece is one write: nothing waits in a buffer when the process is killed
  std::setvbuf(file_.get(), nullptr, _IONBF, 0);
}

void AppendFile::append(std::string_view piece) {
  pending_ += piece;
  std::fseek(file_.get(), 0, SEEK_END);
  const long size = std::ftell(file_.get());
  errno = 0;
  if (std::fwrite(pending_.data(), 1, pending_.size(), file_.get()) == pending_.size()) {
    pending_.clear();
    return;
  }
  const int error = errno;
  std::clearerr(file_.get());
  const bool restored = size >= 0 && ::ftruncate(::fileno(file_.get()), size) == 0;
  throw IoError(fmt::format("{}: {}: expected to append {} bytes, got: {}{}", what_, path_.string(),
                            pending_.size(), strerror(error),
                            restored ? "" : "; its end may be incomplete"));
}

}  // namespace resgrad
