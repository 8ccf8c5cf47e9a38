#include "train/io/file_kind.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/support/files.h"

using namespace resgrad;
using std::string_literals::operator""s;

TEST_CASE("files are known by their first bytes") {
  CHECK(is_pytorch(kind_of_bytes("PK\x03\x04\x14"s)));
  CHECK(is_pytorch(kind_of_bytes("\x80\x02\x8a\x0al\xfc\x9c"s)));
  CHECK_FALSE(is_pytorch(kind_of_bytes("\x80\x04\x95"s)));
  CHECK(kind_of_bytes("\x80\x04\x95"s) == "a Python pickle");
  CHECK(kind_of_bytes("\x1f\x8b\x08\x00"s) == "a gzip archive");
  CHECK(kind_of_bytes("\xfd"
                      "7zXZ\x00"s) == "an xz archive");
  CHECK(kind_of_bytes(std::string(257, '\0') + "ustar\0"s) == "a tar archive");
  CHECK(kind_of_bytes(std::string(256, '\0') + "ustar\0"s) == "");
  CHECK(kind_of_bytes("\x89PNG\r\n\x1a\n"s) == "a PNG image");
  CHECK(kind_of_bytes("\x89PNG\n"s) == "");
  CHECK(kind_of_bytes("<!DOCTYPE html>"s) == "an HTML page");
  CHECK(kind_of_bytes("version https://git-lfs.github.com/spec/v1"s) ==
        "a pointer of Git LFS to the file");
  CHECK(kind_of_bytes("{\"model\":"s) == "JSON text");
  CHECK(kind_of_bytes("words"s) == "");
}

TEST_CASE("folders and empty files are kinds, missing files are not") {
  const testing::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "file";
  CHECK(file_kind(file) == "");
  std::ofstream(file, std::ios::binary).flush();
  CHECK(file_kind(file) == "an empty file");
  std::ofstream(file, std::ios::binary) << "PK\x03\x04";
  CHECK(is_pytorch(file_kind(file)));
  CHECK(file_kind(folder.path()) == "a folder");
}
