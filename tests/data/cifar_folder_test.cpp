#include "data/cifar_folder.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "core/check.h"
#include "tests/support/as_nobody.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;
using namespace resgrad::data;
namespace fs = std::filesystem;

namespace {

const CifarLayout kLayout = {.op = "cifar10",
                             .binary_folder = "cifar-10-batches-bin",
                             .python_files = {"batches.meta", "data_batch_1"}};

void touch(const fs::path& file) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << "x";
}

// What is said of `path` after "cifar10: PATH: ".
std::string error_of(const fs::path& path) {
  try {
    find_cifar(kLayout, path, "a.bin");
  } catch (const IoError& error) {
    const std::string text = error.what(), start = "cifar10: " + path.string() + ": ";
    REQUIRE(text.starts_with(start));
    return text.substr(start.size());
  }
  return "no error";
}

}  // namespace

TEST_CASE("the files of CIFAR are found in the folder or in that of the archive") {
  const TemporaryFolder folder;
  const fs::path inner = folder.path() / "cifar-10-batches-bin";
  touch(inner / "a.bin");
  CHECK(find_cifar(kLayout, folder.path(), "a.bin") == inner);
  CHECK(find_cifar(kLayout, inner, "a.bin") == inner);
}

TEST_CASE("without the files of CIFAR it is said what was found instead") {
  const TemporaryFolder folder;
  const std::string path = folder.path().string(),
                    expected = "expected a.bin in it or in cifar-10-batches-bin, found ";
  CHECK(error_of(folder.path()) == expected + "none");
  CHECK(error_of(folder.path() / "no") == "expected a folder, found none");
  SUBCASE("a folder further down") {
    touch(folder.path() / "x/y/z/a.bin");
    CHECK(error_of(folder.path()) == expected + "it in " + path + "/x/y/z; give that folder");
  }
  SUBCASE("the Python form, in the folder or below") {
    const fs::path python = folder.path() / "it's";
    touch(python / "batches.meta");
    CHECK(error_of(folder.path()) == expected + "none");  // one file of two
    touch(python / "data_batch_1");
    const std::string found = "the Python form in " + path +
                              "/it's; convert it: python3 scripts/convert_cifar.py '" + path +
                              "/it'\\''s'";
    CHECK(error_of(folder.path()) == expected + found);
    CHECK(error_of(python) == expected + found);
  }
  SUBCASE("an archive that is not unpacked") {
    const fs::path archive = folder.path() / "c.tar.gz";
    touch(archive);
    const std::string found = "the archive " + path + "/c.tar.gz; unpack it: tar -xzf '" + path +
                              "/c.tar.gz' -C '" + path + "'";
    CHECK(error_of(folder.path()) == expected + found);
    CHECK(error_of(archive) == "expected a folder, found " + found + ", and give that folder");
  }
  SUBCASE("another file") {
    touch(folder.path() / "a.bin");
    CHECK(error_of(folder.path() / "a.bin") == "expected a folder, found a file");
  }
}

TEST_CASE("a folder that cannot be read is no missing one") {
  const TemporaryFolder folder;
  const fs::path inner = folder.path() / "inner";
  touch(inner / "a.bin");
  fs::permissions(folder.path(), fs::perms::none);
  std::string error;
  {
    const testing::AsNobody nobody;
    try {
      find_cifar(kLayout, inner, "a.bin");
    } catch (const IoError& e) {
      error = e.what();
    }
  }
  fs::permissions(folder.path(), fs::perms::owner_all);
  CHECK(error == "cifar10: " + folder.path().string() +
                     ": expected a folder that can be read, got: Permission denied");
}
