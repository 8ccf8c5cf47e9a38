#include "data/decode_jpeg.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/data/image_files.h"

using namespace resgrad;
using namespace resgrad::data;

TEST_CASE("JPEG: colour within the loss of the format, grey with three equal channels") {
  const std::vector<unsigned char> pixels(8 * 8 * 3, 100);
  const Image image = decode_jpeg(encode_jpeg(8, 8, JCS_RGB, false, pixels), "x");
  CHECK(image.height == 8);
  CHECK(image.width == 8);
  for (const std::uint8_t p : image.pixels) CHECK(std::abs(int{p} - 100) <= 2);
  const Image grey =
      decode_jpeg(encode_jpeg(4, 2, JCS_GRAYSCALE, false, std::vector<unsigned char>(8, 33)), "x");
  CHECK(grey.width == 4);
  CHECK(grey.pixels.size() == 24);
  for (const std::uint8_t p : grey.pixels) CHECK(std::abs(int{p} - 33) <= 2);
}

TEST_CASE("JPEG: CMYK is an error") {
  CHECK(error_of(encode_jpeg(8, 8, JCS_CMYK, false, std::vector<unsigned char>(256, 9))) ==
        "image: x: expected a JPEG of grey or RGB colours, got CMYK");
}

TEST_CASE("JPEG: no changed byte crashes") {
  const Bytes file = small_jpeg();
  int errors = 0;
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes damaged = file;
    damaged[i] ^= std::byte{0xff};
    errors += !error_of(damaged).empty();
  }
  CHECK(errors > 0);
}

namespace {

// Where the marker ff `code` is.
std::ptrdiff_t find_marker(const Bytes& jpeg, int code) {
  const std::array<std::byte, 2> marker = {std::byte{0xff}, static_cast<std::byte>(code)};
  const auto found = std::search(jpeg.begin(), jpeg.end(), marker.begin(), marker.end());
  REQUIRE(found != jpeg.end());
  return found - jpeg.begin();
}

constexpr int kFirstTable = 0xdb, kStartOfFrame = 0xc0, kStartOfScan = 0xda;

}  // namespace

TEST_CASE("JPEG: every truncation is an error") {
  for (const bool progressive : {false, true}) {
    const Bytes file = small_jpeg(progressive);
    REQUIRE(error_of(file).empty());
    for (std::size_t size = 0; size < file.size(); ++size) {
      CAPTURE(size);
      CHECK_FALSE(
          error_of({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)}).empty());
    }
  }
}

TEST_CASE("JPEG: what is merely unusual is read, with the same pixels") {
  const Bytes file = small_jpeg();
  const Pixels pixels = decode_jpeg(file, "x").pixels;
  const auto scan = find_marker(file, kStartOfScan);
  SUBCASE("a last coefficient of 0 in the start of scan, as phones write it") {
    Bytes odd = file;
    // marker, length, number of components, two bytes for each, then Ss, Se, Ah and Al
    const auto last = scan + 2 + 2 + 1 + 2 * 3 + 1;
    REQUIRE(odd[static_cast<std::size_t>(last)] == std::byte{63});
    odd[static_cast<std::size_t>(last)] = std::byte{0};
    CHECK(decode_jpeg(odd, "x").pixels == pixels);
    // a warning that does no harm hides none that does
    odd.resize(odd.size() - 20);
    CHECK(error_of(odd) ==
          "image: x: expected a JPEG without errors, got: Premature end of JPEG file");
  }
  SUBCASE("bytes before the first table") {
    Bytes odd = file;
    odd.insert(odd.begin() + find_marker(file, kFirstTable), 7, std::byte{0x2a});
    CHECK(decode_jpeg(odd, "x").pixels == pixels);
  }
  SUBCASE("bytes before the end marker and after it") {
    Bytes odd = file;
    odd.insert(odd.end() - 2, 5, std::byte{0});
    odd.resize(odd.size() + 100, std::byte{0x2a});
    CHECK(decode_jpeg(odd, "x").pixels == pixels);
  }
  SUBCASE("a revision of JFIF that is not known") {
    Bytes odd = file;
    odd[11] = std::byte{9};  // SOI, APP0, length, "JFIF" and 0, then the version
    CHECK(decode_jpeg(odd, "x").pixels == pixels);
  }
}

TEST_CASE("JPEG: data that ends too early is an error, whatever follows") {
  Bytes file = small_jpeg();
  // the last bytes of the scan are gone, the end marker is there
  file.erase(file.end() - 22, file.end() - 2);
  CHECK(error_of(file) ==
        "image: x: expected a JPEG without errors, got: Corrupt JPEG data: "
        "premature end of data segment");
}

TEST_CASE("JPEG: a size that claims to be huge is an error before its memory is taken") {
  // the size of a JPEG stands after the marker ff c0, its length and its precision
  Bytes jpeg = small_jpeg();
  std::fill_n(jpeg.begin() + find_marker(jpeg, kStartOfFrame) + 5, 4, std::byte{0x80});
  // a block of 64 pixels takes a bit at least
  CHECK(error_of(jpeg) ==
        fmt::format("image: x: expected 1 to {} pixels, got 32896 x 32896", jpeg.size() * 1024));
  jpeg.resize(1 << 20);
  CHECK(error_of(jpeg) == "image: x: expected 1 to 134217728 pixels, got 32896 x 32896");
}

TEST_CASE("JPEG: as many pixels as compression can make are read") {
  for (const bool progressive : {false, true}) {
    const Bytes jpeg = encode_jpeg(4000, 3000, JCS_RGB, true,
                                   std::vector<unsigned char>(4000 * 3000 * 3, 255), progressive);
    CAPTURE(jpeg.size());
    CHECK(error_of(jpeg).empty());
  }
}
