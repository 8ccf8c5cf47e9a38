#include "train/io/append_file.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/support/files.h"

namespace resgrad {
namespace {

using testing::in_child_with_file_limit;
using testing::read_text;
using testing::TemporaryFolder;

TEST_CASE("pieces are in the file when append returns, behind what was there") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "log";
  {
    AppendFile file("log", path);
    CHECK_EQ(read_text(path), "");
    file.append("one\n");
    CHECK_EQ(read_text(path), "one\n");
  }
  AppendFile file("log", path);
  file.append(std::string_view("t\0o\n", 4));
  CHECK_EQ(read_text(path), std::string("one\nt\0o\n", 8));
}

TEST_CASE("a piece that does not fit is taken back and follows when there is space again") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "log";
  const std::string result = in_child_with_file_limit(RLIM_INFINITY, [&] {
    const auto limit = [](rlim_t bytes) {
      const rlimit soft{bytes, RLIM_INFINITY};
      ::setrlimit(RLIMIT_FSIZE, &soft);
    };
    AppendFile file("log", path);
    file.append("12345\n");
    limit(10);
    std::string errors;
    for (const char* piece : {"abcdef\n", "ghi\n"}) {
      try {
        file.append(piece);
      } catch (const IoError& error) {
        errors += error.what() + std::string("; then ") + read_text(path);
      }
    }
    limit(RLIM_INFINITY);
    file.append("end\n");
    return errors;
  });
  const std::string where = "log: " + path.string() + ": expected to append ";
  CHECK_EQ(result, where + "7 bytes, got: File too large; then 12345\n" + where +
                       "11 bytes, got: File too large; then 12345\n");
  CHECK_EQ(read_text(path), "12345\nabcdef\nghi\nend\n");
}

TEST_CASE("a file that cannot be opened is an error") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(AppendFile("log", folder.path() / "missing" / "log"), IoError);
  CHECK_THROWS_AS(AppendFile("log", folder.path()), IoError);
}

}  // namespace
}  // namespace resgrad
