#include "data/exif.h"

#include <doctest/doctest.h>

#include "tests/data/image_files.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

using Numbers = std::vector<int>;

// A directory with one entry, as Pillow writes it; little-endian: II, with the bytes of each number
// the other way round.
Numbers tiff(int orientation, bool little_endian = false, int tag = 0x12) {
  if (little_endian) {
    return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, tag, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0};
  }
  return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, tag, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0};
}

Bytes png_with(const Numbers& exif) {
  return with_chunk(small_png(), "eXIf", exif);
}

// `exif` as the second segment, after that of JFIF, which is 18 bytes after the 2 of the start.
Bytes jpeg_with(const Numbers& exif) {
  Numbers segment = {0xff, 0xe1, 0, static_cast<int>(exif.size()) + 8, 'E', 'x', 'i', 'f', 0, 0};
  segment.insert(segment.end(), exif.begin(), exif.end());
  Bytes file = small_jpeg();
  for (std::size_t i = 0; i < segment.size(); ++i) {
    file.insert(file.begin() + 20 + static_cast<std::ptrdiff_t>(i),
                static_cast<std::byte>(segment[i]));
  }
  return file;
}

}  // namespace

TEST_CASE("the orientation is read from PNG and JPEG in both byte orders") {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool little_endian : {false, true}) {
      CHECK(exif_orientation(png_with(tiff(orientation, little_endian))) == orientation);
      CHECK(exif_orientation(jpeg_with(tiff(orientation, little_endian))) == orientation);
    }
  }
}

TEST_CASE("without EXIF data, with others or damaged ones an image is upright") {
  CHECK(exif_orientation({}) == 1);
  CHECK(exif_orientation(small_png()) == 1);
  CHECK(exif_orientation(small_jpeg()) == 1);
  CHECK(exif_orientation(jpeg_with(tiff(6, false, 0x0f))) == 1);
  CHECK(exif_orientation(jpeg_with(tiff(9))) == 1);
  CHECK(exif_orientation(jpeg_with({})) == 1);
  // the directory is somewhere else
  Numbers far = tiff(6);
  far[4] = 0xff;
  CHECK(exif_orientation(png_with(far)) == 1);
}

TEST_CASE("no cut in EXIF data crashes, and no byte changed") {
  for (const Bytes& file : {png_with(tiff(6)), jpeg_with(tiff(6, true))}) {
    for (std::size_t i = 0; i < file.size(); ++i) {
      Bytes changed = file;
      changed[i] = std::byte{0xff};
      const int orientation = exif_orientation(changed);
      CHECK((orientation >= 1 && orientation <= 8));
      changed.resize(i);
      exif_orientation(changed);
    }
  }
}

// Pillow 9.4, ImageOps.exif_transpose of an image of 3 x 2 with values 10 * row + column.
TEST_CASE("an image is turned and mirrored as Pillow does it") {
  const Pixels expected[] = {{},
                             {0, 1, 2, 10, 11, 12},
                             {2, 1, 0, 12, 11, 10},
                             {12, 11, 10, 2, 1, 0},
                             {10, 11, 12, 0, 1, 2},
                             {0, 10, 1, 11, 2, 12},
                             {10, 0, 11, 1, 12, 2},
                             {12, 2, 11, 1, 10, 0},
                             {2, 12, 1, 11, 0, 10}};
  const Bytes stored = encode_png(3, PNG_COLOR_TYPE_GRAY, 8, {{0, 1, 2}, {10, 11, 12}});
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Bytes file = with_chunk(stored, "eXIf", tiff(orientation));
    CHECK(decode_image(file, "x").width == 3);
    const Image image = decode_image(file, "x", {.exif_transpose = true});
    CHECK(image.height == (orientation < 5 ? 2 : 3));
    CHECK(image.width == (orientation < 5 ? 3 : 2));
    const Pixels& values = expected[orientation];
    REQUIRE(image.pixels.size() == 3 * values.size());
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(image.pixels[3 * i + 1] == values[i]);
  }
}
