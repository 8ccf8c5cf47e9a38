// Files that grow by whole pieces: logs of a run that others read while it runs.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace resgrad {

/// A file that is appended to. Each piece is in the file when append() returns; one that could not
/// be written is taken back and tried again before the next, so that a disk that was full for a
/// while leaves no gap and no part of a piece.
class AppendFile {
 public:
  /// Opens the file at its end, creating it if need be. `what` names it in errors.
  /// Throws  IoError when it cannot be opened.
  AppendFile(std::string what, std::filesystem::path path);

  /// Throws  IoError when it could not be written; the file then ends with the piece before.
  void append(std::string_view piece);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::string what_;
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string pending_;
};

}  // namespace resgrad
