#include "data/image.h"

#include <doctest/doctest.h>
#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <numeric>

#include "core/check.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

using Bytes = std::vector<std::byte>;

std::span<const std::byte> bytes_of(const std::vector<unsigned char>& text) {
  return std::as_bytes(std::span(text));
}

// A PNG of `rows`, each a line of samples as the file holds them (big-endian for 16 bits). Errors
// of libpng abort.
Bytes encode_png(int width, int colour_type, int bit_depth,
                 const std::vector<std::vector<unsigned char>>& rows, bool interlaced = false,
                 const std::vector<png_color>& palette = {}) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  Bytes file;
  png_set_write_fn(
      png, &file,
      [](png_structp p, png_bytep data, png_size_t size) {
        auto* to = static_cast<Bytes*>(png_get_io_ptr(p));
        const auto* from = reinterpret_cast<const std::byte*>(data);
        to->insert(to->end(), from, from + size);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(rows.size()),
               bit_depth, colour_type, interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  std::vector<png_bytep> pointers;
  for (const auto& row : rows) pointers.push_back(const_cast<png_bytep>(row.data()));
  png_set_rows(png, info, pointers.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return file;
}

Bytes small_png() {
  return encode_png(2, PNG_COLOR_TYPE_RGB, 8, {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 250, 251, 252}});
}

Bytes encode_jpeg(int width, int height, int format, int subsampling,
                  const std::vector<unsigned char>& pixels) {
  const tjhandle handle = tjInitCompress();
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  REQUIRE(tjCompress2(handle, pixels.data(), width, 0, height, format, &buffer, &size, subsampling,
                      95, 0) == 0);
  const auto* begin = reinterpret_cast<const std::byte*>(buffer);
  Bytes file(begin, begin + size);
  tjFree(buffer);
  tjDestroy(handle);
  return file;
}

Bytes small_jpeg() {
  std::vector<unsigned char> pixels(20 * 12 * 3);
  std::iota(pixels.begin(), pixels.end(), static_cast<unsigned char>(0));
  return encode_jpeg(20, 12, TJPF_RGB, TJSAMP_420, pixels);
}

std::string error_of(const Bytes& bytes) {
  try {
    decode_image(bytes, "x");
  } catch (const IoError& error) {
    return error.what();
  }
  return "";
}

using Pixels = std::vector<std::uint8_t>;

}  // namespace

TEST_CASE("PNG: RGB, plain and interlaced") {
  for (const bool interlaced : {false, true}) {
    const Image image =
        decode_image(encode_png(2, PNG_COLOR_TYPE_RGB, 8,
                                {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 250, 251, 252}}, interlaced),
                     "x");
    CHECK(image.height == 2);
    CHECK(image.width == 2);
    CHECK(image.pixels == Pixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252});
    CHECK(image.at(1, 0, 2) == 9);
  }
}

TEST_CASE("PNG: grey becomes three equal channels, also of 1 and 16 bits") {
  CHECK(decode_image(encode_png(2, PNG_COLOR_TYPE_GRAY, 8, {{0, 77}}), "x").pixels ==
        Pixels{0, 0, 0, 77, 77, 77});
  CHECK(decode_image(encode_png(3, PNG_COLOR_TYPE_GRAY, 1, {{0b01000000}}), "x").pixels ==
        Pixels{0, 0, 0, 255, 255, 255, 0, 0, 0});
  CHECK(decode_image(encode_png(2, PNG_COLOR_TYPE_GRAY, 16, {{0xff, 0xff, 0x4d, 0x4d}}), "x")
            .pixels == Pixels{255, 255, 255, 77, 77, 77});
}

TEST_CASE("PNG: 16-bit colour becomes 8 bits, alpha is dropped, a palette looked up") {
  CHECK(decode_image(encode_png(1, PNG_COLOR_TYPE_RGB, 16, {{10, 10, 200, 200, 30, 30}}), "x")
            .pixels == Pixels{10, 200, 30});
  CHECK(decode_image(encode_png(2, PNG_COLOR_TYPE_RGB_ALPHA, 8, {{9, 8, 7, 255, 6, 5, 4, 0}}), "x")
            .pixels == Pixels{9, 8, 7, 6, 5, 4});
  CHECK(decode_image(encode_png(1, PNG_COLOR_TYPE_GRAY_ALPHA, 8, {{60, 128}}), "x").pixels ==
        Pixels{60, 60, 60});
  CHECK(decode_image(
            encode_png(2, PNG_COLOR_TYPE_PALETTE, 8, {{1, 0}}, false, {{11, 12, 13}, {21, 22, 23}}),
            "x")
            .pixels == Pixels{21, 22, 23, 11, 12, 13});
}

TEST_CASE("JPEG: colour within the loss of the format, grey with three equal channels") {
  const std::vector<unsigned char> pixels(8 * 8 * 3, 100);
  const Image image = decode_image(encode_jpeg(8, 8, TJPF_RGB, TJSAMP_444, pixels), "x");
  CHECK(image.height == 8);
  CHECK(image.width == 8);
  for (const std::uint8_t p : image.pixels) CHECK(std::abs(int{p} - 100) <= 2);
  const Image grey = decode_image(
      encode_jpeg(4, 2, TJPF_GRAY, TJSAMP_GRAY, std::vector<unsigned char>(8, 33)), "x");
  CHECK(grey.width == 4);
  CHECK(grey.pixels.size() == 24);
  for (const std::uint8_t p : grey.pixels) CHECK(std::abs(int{p} - 33) <= 2);
}

TEST_CASE("JPEG: CMYK is an error") {
  CHECK(error_of(encode_jpeg(8, 8, TJPF_CMYK, TJSAMP_444, std::vector<unsigned char>(256, 9))) ==
        "image: x: expected a JPEG of grey or RGB colours, got CMYK");
}

TEST_CASE("every truncation of an image is an error") {
  for (const Bytes& file : {small_png(), small_jpeg()}) {
    REQUIRE(error_of(file).empty());
    for (std::size_t size = 0; size < file.size(); ++size) {
      CAPTURE(size);
      CHECK_FALSE(
          error_of(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size))).empty());
    }
  }
}

TEST_CASE("every changed byte of a PNG is an error: all of it is under checksums") {
  const Bytes file = small_png();
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes damaged = file;
    damaged[i] ^= std::byte{0x10};
    CAPTURE(i);
    CHECK_FALSE(error_of(damaged).empty());
  }
}

TEST_CASE("no changed byte of a JPEG crashes") {
  const Bytes file = small_jpeg();
  int errors = 0;
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes damaged = file;
    damaged[i] ^= std::byte{0xff};
    errors += !error_of(damaged).empty();
  }
  CHECK(errors > 0);
}

TEST_CASE("other files are named as what they are not") {
  CHECK(error_of({}) == "image: x: expected a PNG or JPEG file, got 0 other bytes");
  const std::vector<unsigned char> gif = {'G', 'I', 'F', '8', '9', 'a', 0, 0, 0, 0};
  CHECK_THROWS_WITH_AS(decode_image(bytes_of(gif), "a.png"),
                       "image: a.png: expected a PNG or JPEG file, got 10 other bytes", IoError);
  CHECK_THROWS_WITH_AS(read_image("/nonexistent.png"),
                       "image: /nonexistent.png: expected a file, found none", IoError);
  CHECK_THROWS_WITH_AS(read_image("/"), "image: /: expected a file, found something else", IoError);
}

TEST_CASE("an image that claims to be huge is an error before its memory is taken") {
  // a whole PNG of 100,000 x 100,000 pixels, but for its data
  Bytes png = encode_png(1, PNG_COLOR_TYPE_GRAY, 1, {{0}});
  const std::string with_png = [&] {
    // width and height stand at 16; the checksum of the chunk at 29 is of the changed bytes
    const std::array<unsigned char, 8> size = {0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0};
    std::memcpy(&png[16], size.data(), size.size());
    std::uint32_t crc = ~0U;
    for (std::size_t i = 12; i < 29; ++i) {
      crc ^= std::to_integer<std::uint32_t>(png[i]);
      for (int b = 0; b < 8; ++b) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
    }
    crc = ~crc;
    for (std::size_t i = 0; i < 4; ++i) png[29 + i] = static_cast<std::byte>(crc >> (24 - 8 * i));
    return error_of(png);
  }();
  CHECK(with_png == "image: x: expected 1 to 134217728 pixels, got 100000 x 100000");
  // the size of a JPEG stands after the marker ff c0, its length and its precision
  Bytes jpeg = small_jpeg();
  const std::array<std::byte, 2> start = {std::byte{0xff}, std::byte{0xc0}};
  const auto marker = std::search(jpeg.begin(), jpeg.end(), start.begin(), start.end());
  REQUIRE(marker != jpeg.end());
  std::fill_n(marker + 5, 4, std::byte{0x80});
  CHECK(error_of(jpeg) == "image: x: expected 1 to 134217728 pixels, got 32896 x 32896");
}

TEST_CASE("a file is read as its bytes are") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "image.jpg";  // a PNG: the content counts
  const Bytes png = small_png();
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(png.data()), static_cast<std::streamsize>(png.size()));
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
