#include "data/exif.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace resgrad::data {
namespace {

using namespace std::string_view_literals;

constexpr int kUpright = 1;

// Numbers at places of a file, 0 where it is too short.
struct ExifReader {
  std::string_view bytes;
  bool little_endian = false;

  std::size_t number(std::size_t at, std::size_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) return 0;
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t next = little_endian ? size - 1 - i : i;
      value = value << 8 | static_cast<unsigned char>(bytes[at + next]);
    }
    return value;
  }
  std::string_view part(std::size_t at, std::size_t size) const {
    return bytes.substr(std::min(at, bytes.size()), size);
  }
};

// `tiff`: the header with the byte order and the place of the first directory, which has the tag.
int orientation_in(std::string_view tiff) {
  constexpr std::size_t kEntry = 12, kOrientation = 0x0112, kShort = 3, kLong = 4;
  const bool little_endian = tiff.starts_with("II"sv);
  const ExifReader reader{tiff, little_endian};
  if ((!little_endian && !tiff.starts_with("MM"sv)) || reader.number(2, 2) != 42) return kUpright;
  const std::size_t directory = reader.number(4, 4), entries = reader.number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntry, type = reader.number(entry + 2, 2);
    if (reader.number(entry, 2) != kOrientation) continue;
    const std::size_t value = type == kShort  ? reader.number(entry + 8, 2)
                              : type == kLong ? reader.number(entry + 8, 4)
                                              : 0;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : kUpright;
  }
  return kUpright;
}

// The segments before the first scan: ff, a code, and where there are contents their length and
// they.
std::string_view exif_of_jpeg(const ExifReader& file) {
  constexpr std::size_t kApp1 = 0xe1, kStartOfScan = 0xda, kEnd = 0xd9;
  constexpr std::string_view kStart = "Exif\0\0"sv;
  std::size_t at = 2;
  while (at + 4 <= file.bytes.size()) {
    const std::size_t code = file.number(at + 1, 1);
    if (file.number(at, 1) != 0xff || code == 0xff || code == 0) {  // bytes between segments
      ++at;
      continue;
    }
    if (code == kStartOfScan || code == kEnd) break;
    const std::size_t length = file.number(at + 2, 2);
    const std::string_view contents = file.part(at + 4, std::max<std::size_t>(length, 2) - 2);
    if (code == kApp1 && contents.starts_with(kStart)) return contents.substr(kStart.size());
    at += 2 + length;
  }
  return {};
}

// Chunks: the length of the contents, the type, they and a checksum.
std::string_view exif_of_png(const ExifReader& file) {
  for (std::size_t at = 8; at + 12 <= file.bytes.size(); at += 12 + file.number(at, 4)) {
    if (file.part(at + 4, 4) == "eXIf"sv) return file.part(at + 8, file.number(at, 4));
  }
  return {};
}

}  // namespace

int exif_orientation(std::span<const std::byte> file) {
  const ExifReader reader{{reinterpret_cast<const char*>(file.data()), file.size()}};
  return orientation_in(reader.bytes.starts_with("\x89PNG"sv) ? exif_of_png(reader)
                                                              : exif_of_jpeg(reader));
}

Image upright(const Image& image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const auto is_one_of = [orientation](auto... values) { return ((orientation == values) || ...); };
  const bool transpose = orientation >= 5, bottom_up = is_one_of(3, 4, 6, 7),
             right_to_left = is_one_of(2, 3, 7, 8);
  Image result = image;
  if (transpose) std::swap(result.height, result.width);
  std::uint8_t* to = result.pixels.data();
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      const int row = transpose ? x : y, column = transpose ? y : x;
      for (int c = 0; c < 3; ++c) {
        *to++ = image.at(bottom_up ? image.height - 1 - row : row,
                         right_to_left ? image.width - 1 - column : column, c);
      }
    }
  }
  return result;
}

}  // namespace resgrad::data
