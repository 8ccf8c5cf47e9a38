#include "data/folder_cache.h"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>

#include "tests/support/temporary_folder.h"

using namespace resgrad;
using namespace resgrad::data;
namespace fs = std::filesystem;

namespace {

const std::string kKey(32, 'k'), kOther(32, 'o');
const DecodedFolder kFolder = {.images = {1, 2, 3, 4, 5, 6},
                               .labels = {7, 0},
                               .files = {"x/1.png", ""},
                               .damaged = {"a\nb", "c"}};

}  // namespace

TEST_CASE("what is written is read again under the same key") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "cache";
  CHECK_FALSE(read_folder_cache(file, kKey, 3));
  CHECK(write_folder_cache(file, kKey, kFolder) == "");
  CHECK(folder.names() == std::vector<std::string>{"cache"});
  const auto read = read_folder_cache(file, kKey, 3);
  REQUIRE(read);
  CHECK(read->images == kFolder.images);
  CHECK(read->labels == kFolder.labels);
  CHECK(read->files == kFolder.files);
  CHECK(read->damaged == kFolder.damaged);
  CHECK_FALSE(read_folder_cache(file, kOther, 3));
  CHECK_FALSE(read_folder_cache(file, kKey, 6));
  CHECK(write_folder_cache(file, kOther,
                           {.images = {9}, .labels = {1}, .files = {"y"}, .damaged = {}}) == "");
  CHECK(read_folder_cache(file, kOther, 1)->images == std::vector<std::uint8_t>{9});
}

TEST_CASE("a cache that is cut off or goes on is none, whatever its numbers say") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "cache";
  REQUIRE(write_folder_cache(file, kKey, kFolder) == "");
  const auto size = fs::file_size(file);
  for (std::uintmax_t n = 0; n <= size + 8; ++n) {
    if (n == size) continue;
    REQUIRE(write_folder_cache(file, kKey, kFolder) == "");
    fs::resize_file(file, n);
    CAPTURE(n);
    CHECK_FALSE(read_folder_cache(file, kKey, 3));
  }
  // the number of images, which stands after the first line (23 bytes) and the key
  REQUIRE(write_folder_cache(file, kKey, kFolder) == "");
  std::fstream(file, std::ios::binary | std::ios::in | std::ios::out).seekp(23 + 32 + 6) << '\x7f';
  CHECK_FALSE(read_folder_cache(file, kKey, 3));
  // any byte of it, such as zeros that a power failure left
  for (std::uintmax_t n = 0; n < size; ++n) {
    REQUIRE(write_folder_cache(file, kKey, kFolder) == "");
    std::fstream at(file, std::ios::binary | std::ios::in | std::ios::out);
    const int byte = at.seekg(static_cast<std::streamoff>(n)).get();
    at.seekp(static_cast<std::streamoff>(n)).put(static_cast<char>(byte ^ 1));
    at.close();
    CAPTURE(n);
    CHECK_FALSE(read_folder_cache(file, kKey, 3));
  }
}

TEST_CASE("what a writer that was killed left goes with the next cache, after a day") {
  const TemporaryFolder folder;
  const auto leave = [&](const char* name, int hours) {
    std::ofstream(folder.path() / name) << "half";
    fs::last_write_time(folder.path() / name,
                        fs::file_time_type::clock::now() - std::chrono::hours(hours));
  };
  leave(".cache.tmp-1-0", 25);
  leave(".cache.tmp-1-1", 23);
  leave(".cache2.tmp-1-0", 25);
  CHECK(write_folder_cache(folder.path() / "cache", kKey, kFolder) == "");
  CHECK(folder.names() == std::vector<std::string>{".cache.tmp-1-1", ".cache2.tmp-1-0", "cache"});
}

TEST_CASE("a cache that cannot be written leaves nothing behind and says why") {
  const TemporaryFolder folder;
  CHECK(write_folder_cache(folder.path() / "no/cache", kKey, kFolder) ==
        "folder: expected a cache that can be written: write: " + folder.path().string() +
            "/no/cache: expected to create a file in the folder, got: No such file or directory");
  fs::create_directories(folder.path() / "full/x");  // no file can take its place
  CHECK(write_folder_cache(folder.path() / "full", kKey, kFolder) != "");
  CHECK(folder.names() == std::vector<std::string>{"full"});
}
