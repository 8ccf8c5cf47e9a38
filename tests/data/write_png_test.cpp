#include "data/write_png.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;

TEST_CASE("an image that is written is read back pixel for pixel") {
  const TemporaryFolder folder;
  data::Image image{.height = 5, .width = 7};
  for (int i = 0; i < 5 * 7 * 3; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(i * 37 % 256));
  }
  const auto file = folder.path() / "image.png";
  data::write_png(file, image);
  const data::Image read = data::read_image(file);
  CHECK(read.height == 5);
  CHECK(read.width == 7);
  CHECK(read.pixels == image.pixels);
}

TEST_CASE("what is no image, and a folder that is not there, are errors") {
  CHECK_THROWS_WITH_AS(data::write_png("/nonexistent/x.png", {.height = 2, .width = 1}),
                       "write_png: image: expected height * width * 3 bytes, got 0 for 2 x 1",
                       ValueError);
  CHECK_THROWS_AS(
      data::write_png("/nonexistent/x.png", {.height = 1, .width = 1, .pixels = {1, 2, 3}}),
      IoError);
  const TemporaryFolder folder;
  const data::Image image{.height = 64, .width = 64, .pixels = std::vector<std::uint8_t>(12288)};
  CHECK_THROWS_WITH_AS(data::write_png("/dev/full", image),
                       "write_png: /dev/full: expected a file that can be written, got: No space "
                       "left on device",
                       IoError);
  CHECK(std::filesystem::is_character_file("/dev/full"));  // and the device is still there
}
