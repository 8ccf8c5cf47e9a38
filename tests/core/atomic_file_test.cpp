// Writes that succeed, and writes that fail: the old file stays and no temporary is left.
#include "core/atomic_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "core/check.h"
#include "tests/support/files.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
using testing::in_child_with_file_limit;
using testing::read_text;
using testing::TemporaryFolder;

// The message of the IoError that writing `text` to `path` ends with; empty without one.
std::string failure(const fs::path& path, const std::string& text) {
  try {
    write_file_atomically(path, text);
  } catch (const IoError& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("a file is created and replaced, and nothing else appears") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  write_file_atomically(file, "first");
  CHECK_EQ(read_text(file), "first");
  write_file_atomically(file, "");
  CHECK_EQ(read_text(file), "");
  const std::string large(3'000'000, 'x');
  write_file_atomically(file, large);
  CHECK_EQ(read_text(file), large);
  CHECK_EQ(folder.names(), std::vector<std::string>{"file"});
}

TEST_CASE("a file in the working folder needs no folder in its path") {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  write_file_atomically("file", "text");
  fs::current_path(before);
  CHECK_EQ(read_text(folder.path() / "file"), "text");
}

TEST_CASE("the permissions are those of a new file") {
  const TemporaryFolder folder;
  const mode_t mask = ::umask(027);
  write_file_atomically(folder.path() / "file", "text");
  ::umask(mask);
  struct stat info {};
  REQUIRE_EQ(::stat((folder.path() / "file").c_str(), &info), 0);
  CHECK_EQ(info.st_mode & 0777, 0640);
}

TEST_CASE("a name as long as the file system takes can be written") {
  const TemporaryFolder folder;
  const std::string name(255, 'x');
  write_file_atomically(folder.path() / name, "all");
  CHECK(folder.names() == std::vector<std::string>{name});
}

TEST_CASE("a leftover of a killed process is passed over") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  // the names that the next files would take
  std::string last;
  {
    AtomicFile probe(file);
    last = folder.names().at(0);
  }
  const std::size_t dash = last.rfind('-') + 1;
  const int next = std::stoi(last.substr(dash)) + 1;
  for (int i = 0; i < 3; ++i) {
    std::ofstream(folder.path() / (last.substr(0, dash) + std::to_string(next + i))) << "old";
  }
  write_file_atomically(file, "text");
  CHECK_EQ(read_text(file), "text");
  CHECK_EQ(folder.names().size(), 4);
}

TEST_CASE("without commit the old file stays") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  write_file_atomically(file, "old");
  {
    AtomicFile unfinished(file);
    unfinished.write(std::as_bytes(std::span(std::string_view("new"))));
    CHECK_EQ(folder.names().size(), 2);
  }
  CHECK_EQ(read_text(file), "old");
  CHECK_EQ(folder.names().size(), 1);
}

TEST_CASE("a committed file takes no more") {
  const TemporaryFolder folder;
  AtomicFile file(folder.path() / "file");
  file.commit();
  CHECK_THROWS_AS(file.commit(), StateError);
  CHECK_THROWS_AS(file.write(std::as_bytes(std::span(std::string_view("x")))), StateError);
}

TEST_CASE("what killed processes left is removed, and nothing else") {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile* leaked = new AtomicFile(folder.path() / "file");
    leaked->flush();
    ::_exit(0);  // as a kill would, without the destructor
  }
  int status = 0;
  REQUIRE_EQ(::waitpid(child, &status, 0), child);
  REQUIRE_EQ(folder.names().size(), 1);
  const std::string parent = ".file.tmp-" + std::to_string(::getppid()) + "-0";  // it runs
  const std::string own = ".file.tmp-" + std::to_string(::getpid()) + "-0";
  for (const std::string& name : {parent, own, std::string(".tmp-x-1"), std::string("a.tmp-1-1"),
                                  std::string(".file.tmp-99"), std::string(".file.tmp-99-1x")}) {
    std::ofstream(folder.path() / name) << "text";
  }
  remove_stale_temporaries(folder.path());
  std::vector<std::string> kept{".file.tmp-99", ".file.tmp-99-1x", parent, ".tmp-x-1", "a.tmp-1-1"};
  std::ranges::sort(kept);
  CHECK_EQ(folder.names(), kept);
  remove_stale_temporaries(folder.path() / "missing");  // nothing to do
}

TEST_CASE("failures name the path and the reason") {
  const TemporaryFolder folder;
  const std::string missing = (folder.path() / "missing" / "file").string();
  CHECK_EQ(failure(missing, "x"), "write: " + missing +
                                      ": expected to create a file in the folder, got: No such "
                                      "file or directory");
  const fs::path taken = folder.path() / "taken";
  fs::create_directory(taken);
  CHECK_EQ(failure(taken, "x"),
           "write: " + taken.string() + ": expected the name of a file, got a folder");
  CHECK_EQ(failure(taken / "", "x"),
           "write: " + taken.string() + "/: expected the name of a file, got a folder");
  CHECK_EQ(folder.names(), std::vector<std::string>{"taken"});
  CHECK_NE(failure("/proc/file", "x"), "");
}

TEST_CASE("no device or pipe is replaced, by its name or by a link to it") {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe", link = folder.path() / "link";
  REQUIRE_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  fs::create_symlink(pipe, link);
  for (const fs::path& file : {pipe, link}) {
    CHECK_EQ(failure(file, "x"),
             "write: " + file.string() + ": expected the name of a file, got a device or pipe");
  }
  CHECK(fs::is_fifo(pipe));
  CHECK(fs::is_symlink(link));
}

TEST_CASE("a full disk leaves the old file and no temporary") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  write_file_atomically(file, "old");
  // a write over the limit is short first and fails at the limit, as on a full disk
  const std::string result =
      in_child_with_file_limit(4096, [&] { return failure(file, std::string(100'000, 'x')); });
  CHECK_EQ(result, "write: " + file.string() + ": expected to write, got: File too large");
  CHECK_EQ(read_text(file), "old");
  CHECK_EQ(folder.names(), std::vector<std::string>{"file"});
}

}  // namespace
}  // namespace resgrad
