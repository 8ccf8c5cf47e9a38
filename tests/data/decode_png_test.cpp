#include "data/decode_png.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/data/image_files.h"

using namespace resgrad;
using namespace resgrad::data;

TEST_CASE("PNG: RGB, plain and interlaced") {
  for (const bool interlaced : {false, true}) {
    const Image image =
        decode_png(encode_png(2, PNG_COLOR_TYPE_RGB, 8,
                              {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 250, 251, 252}}, interlaced),
                   "x");
    CHECK(image.height == 2);
    CHECK(image.width == 2);
    CHECK(image.pixels == Pixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252});
    CHECK(image.at(1, 0, 2) == 9);
  }
}

TEST_CASE("PNG: grey becomes three equal channels, also of 1 and 16 bits") {
  CHECK(decode_png(encode_png(2, PNG_COLOR_TYPE_GRAY, 8, {{0, 77}}), "x").pixels ==
        Pixels{0, 0, 0, 77, 77, 77});
  CHECK(decode_png(encode_png(3, PNG_COLOR_TYPE_GRAY, 1, {{0b01000000}}), "x").pixels ==
        Pixels{0, 0, 0, 255, 255, 255, 0, 0, 0});
  CHECK(decode_png(encode_png(2, PNG_COLOR_TYPE_GRAY, 16, {{0xff, 0xff, 0, 77}}), "x").pixels ==
        Pixels{255, 255, 255, 77, 77, 77});
}

TEST_CASE("PNG: 16-bit colour becomes 8 bits, alpha is dropped, a palette looked up") {
  CHECK(
      decode_png(encode_png(1, PNG_COLOR_TYPE_RGB, 16, {{10, 10, 200, 200, 30, 30}}), "x").pixels ==
      Pixels{10, 200, 30});
  CHECK(decode_png(encode_png(2, PNG_COLOR_TYPE_RGB_ALPHA, 8, {{9, 8, 7, 255, 6, 5, 4, 0}}), "x")
            .pixels == Pixels{9, 8, 7, 6, 5, 4});
  CHECK(decode_png(encode_png(1, PNG_COLOR_TYPE_GRAY_ALPHA, 8, {{60, 128}}), "x").pixels ==
        Pixels{60, 60, 60});
  CHECK(decode_png(
            encode_png(2, PNG_COLOR_TYPE_PALETTE, 8, {{1, 0}}, false, {{11, 12, 13}, {21, 22, 23}}),
            "x")
            .pixels == Pixels{21, 22, 23, 11, 12, 13});
}

TEST_CASE("PNG: every changed byte is an error: all of it is under checksums") {
  const Bytes file = small_png();
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes damaged = file;
    damaged[i] ^= std::byte{0x10};
    CAPTURE(i);
    CHECK_FALSE(error_of(damaged).empty());
  }
}

TEST_CASE("PNG: a size that claims to be huge is an error before its memory is taken") {
  // a whole PNG but for its data
  const auto of_size = [](int colour_type, std::uint32_t size) {
    Bytes png = encode_png(1, colour_type, 8, {{0, 0, 0}});
    const auto put = [&png](std::size_t at, std::uint32_t value) {
      for (std::size_t i = 0; i < 4; ++i) {
        png[at + i] = static_cast<std::byte>(value >> (24 - 8 * i));
      }
    };
    put(16, size), put(20, size), put(29, png_checksum(&png[12], 17));
    return png;
  };
  const Bytes grey = of_size(PNG_COLOR_TYPE_GRAY, 100000), rgb = of_size(PNG_COLOR_TYPE_RGB, 1000);
  // more than its compression can make of its bytes
  CHECK(error_of(grey) ==
        fmt::format("image: x: expected 1 to {} pixels, got 100000 x 100000", grey.size() * 1032));
  CHECK(error_of(rgb) ==
        fmt::format("image: x: expected 1 to {} pixels, got 1000 x 1000", rgb.size() * 1032 / 3));
  Bytes long_file = grey;
  long_file.resize(1 << 20);
  CHECK(error_of(long_file) == "image: x: expected 1 to 134217728 pixels, got 100000 x 100000");
}

TEST_CASE("PNG: as many pixels as compression can make are read") {
  const std::vector<std::vector<unsigned char>> white(8000, std::vector<unsigned char>(1000, 255));
  const Bytes png = encode_png(8000, PNG_COLOR_TYPE_GRAY, 1, white);
  CAPTURE(png.size());
  CHECK(error_of(png).empty());
}

TEST_CASE("PNG: what a file says of gamma and colours changes no value, as in Pillow") {
  const std::vector<std::pair<std::string, std::vector<int>>> chunks = {
      {"gAMA", {0, 1, 0x86, 0xa0}},  // 1.0: the samples are linear light
      {"gAMA", {0, 0, 0x27, 0x10}},  // 0.1
      {"sRGB", {0}},
      {"cHRM", std::vector<int>(32, 1)},
      {"iCCP", {'p', 0, 0, 1, 2, 3}},  // damaged besides
      {"sBIT", {5, 5, 5}},
      {"bKGD", {0, 255, 0, 255, 0, 255}},
      {"tEXt", {'n', 'o', ' ', 'k', 'e', 'y'}}};
  const std::vector<png_color> palette = {{11, 12, 13}, {128, 1, 23}};
  const std::vector<std::pair<Bytes, Pixels>> images = {
      {encode_png(1, PNG_COLOR_TYPE_RGB, 8, {{128, 64, 32}}), {128, 64, 32}},
      {encode_png(1, PNG_COLOR_TYPE_GRAY, 8, {{128}}), {128, 128, 128}},
      {encode_png(1, PNG_COLOR_TYPE_GRAY, 2, {{0x40}}), {85, 85, 85}},
      {encode_png(1, PNG_COLOR_TYPE_GRAY_ALPHA, 8, {{128, 3}}), {128, 128, 128}},
      {encode_png(1, PNG_COLOR_TYPE_RGB_ALPHA, 8, {{128, 64, 32, 9}}), {128, 64, 32}},
      {encode_png(1, PNG_COLOR_TYPE_PALETTE, 8, {{1}}, false, palette), {128, 1, 23}},
      {encode_png(1, PNG_COLOR_TYPE_RGB, 16, {{128, 255, 64, 0, 32, 7}}), {128, 64, 32}},
      {encode_png(1, PNG_COLOR_TYPE_GRAY, 16, {{0, 128}}), {128, 128, 128}}};
  for (const auto& [png, pixels] : images) {
    CHECK(decode_png(png, "x").pixels == pixels);
    for (const auto& chunk : chunks) {
      CAPTURE(chunk.first);
      CHECK(decode_png(with_chunk(png, chunk.first, chunk.second), "x").pixels == pixels);
    }
  }
}

// The values are those of Pillow 9.4 and 13.0: Image.open(file).convert("RGB").
TEST_CASE("PNG: 16 bits lose their low byte, but plain grey is clipped") {
  const auto pixels = [](int type, const std::vector<unsigned char>& row) {
    return decode_png(encode_png(1, type, 16, {row}), "x").pixels;
  };
  CHECK(pixels(PNG_COLOR_TYPE_RGB, {0, 0xc0, 10, 0xc0, 77, 77}) == Pixels{0, 10, 77});
  CHECK(pixels(PNG_COLOR_TYPE_RGB_ALPHA, {10, 0xc0, 77, 255, 16, 0xf0, 0, 128}) ==
        Pixels{10, 77, 16});
  CHECK(pixels(PNG_COLOR_TYPE_GRAY_ALPHA, {10, 0xc0, 77, 77}) == Pixels{10, 10, 10});
  CHECK(pixels(PNG_COLOR_TYPE_GRAY, {0, 0xc0}) == Pixels{192, 192, 192});
  CHECK(pixels(PNG_COLOR_TYPE_GRAY, {10, 0xc0}) == Pixels{255, 255, 255});
  const Bytes wide =
      encode_png(3, PNG_COLOR_TYPE_GRAY, 16, {{0, 1, 2, 3, 0, 4}, {0, 5, 0, 6, 7, 8}}, true);
  CHECK(decode_png(wide, "x").pixels ==
        Pixels{1, 1, 1, 255, 255, 255, 4, 4, 4, 5, 5, 5, 6, 6, 6, 255, 255, 255});
}

TEST_CASE("PNG: transparent pixels keep their colours") {
  const Bytes grey = encode_png(2, PNG_COLOR_TYPE_GRAY, 8, {{16, 32}});
  CHECK(decode_png(with_chunk(grey, "tRNS", {0, 16}), "x").pixels ==
        Pixels{16, 16, 16, 32, 32, 32});
  const Bytes colour = encode_png(1, PNG_COLOR_TYPE_RGB, 8, {{1, 2, 3}});
  CHECK(decode_png(with_chunk(colour, "tRNS", {0, 1, 0, 2, 0, 3}), "x").pixels == Pixels{1, 2, 3});
}

TEST_CASE("PNG: bytes after the end are left unread, an end that is cut off is an error") {
  Bytes file = small_png();
  for (std::size_t size = 0; size < file.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(error_of({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)}).empty());
  }
  CHECK(error_of({file.begin(), file.end() - 12}) ==
        "image: x: expected a PNG without errors, got: the file is cut off");
  const Pixels pixels = decode_png(file, "x").pixels;
  file.resize(file.size() + 1000, std::byte{0x2a});
  CHECK(decode_png(file, "x").pixels == pixels);
}
