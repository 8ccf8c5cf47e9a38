#include "data/image.h"

#include <doctest/doctest.h>

#include <fstream>

#include "core/check.h"
#include "tests/data/image_files.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

Bytes bytes_of(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

}  // namespace

TEST_CASE("other files are named as what they are not") {
  CHECK(error_of({}) == "image: x: expected a PNG or JPEG file, got 0 other bytes");
  CHECK_THROWS_WITH_AS(decode_image(bytes_of("no picture"), "a.png"),
                       "image: a.png: expected a PNG or JPEG file, got 10 other bytes", IoError);
  CHECK_THROWS_WITH_AS(read_image("/nonexistent.png"),
                       "image: /nonexistent.png: expected a file, found none", IoError);
  CHECK_THROWS_WITH_AS(read_image("/"), "image: /: expected a file, found something else", IoError);
}

TEST_CASE("the usual formats that are not read are named") {
  using namespace std::string_view_literals;
  const std::vector<std::pair<std::string, std::string_view>> files = {
      {"GIF", "GIF89a\1\0\1\0"sv},
      {"GIF", "GIF87a"sv},
      {"WebP", "RIFF\x24\0\0\0WEBPVP8 "sv},
      {"BMP", "BM\x3a\0\0\0\0\0\0\0\x36\0\0\0"sv},
      {"TIFF", "II*\0\x08\0\0\0"sv},
      {"TIFF", "MM\0*\0\0\0\x08"sv},
      {"AVIF",
       "\0\0\0\x20"
       "ftypavif\0\0\0\0"sv},
      {"HEIC",
       "\0\0\0\x18"
       "ftypheic\0\0\0\0"sv},
      {"JPEG 2000", "\0\0\0\x0cjP  \r\n\x87\n"sv},
      {"JPEG XL", "\xff\x0a\xfa\x7f"sv},
      {"Photoshop", "8BPS\0\1"sv},
      {"PDF", "%PDF-1.7"sv}};
  for (const auto& [format, start] : files) {
    CHECK(error_of(bytes_of(start)) ==
          "image: x: expected a PNG or JPEG file, got a " + format + " file");
  }
  CHECK(error_of(bytes_of("BMs are no pictures, most of the time")) ==
        "image: x: expected a PNG or JPEG file, got 37 other bytes");
}

TEST_CASE("a file is read as its bytes are") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "image.jpg";  // a PNG: the content counts
  const Bytes png = small_png();
  write_file(file, png);
  CHECK(read_image(file).pixels == decode_image(png, "x").pixels);
}

TEST_CASE("a file that is too large for an image is not read") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "image.png";
  std::ofstream(file) << "x";
  std::filesystem::resize_file(file, (std::uintmax_t{1} << 30) + 1);  // sparse: takes no room
  CHECK_THROWS_WITH_AS(
      read_image(file),
      ("image: " + file.string() + ": expected at most 1073741824 bytes, got 1073741825").c_str(),
      IoError);
}
