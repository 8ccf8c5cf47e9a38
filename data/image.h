// Image files: PNG and JPEG, read as 8-bit colour with the values that Pillow's
// Image.open(file).convert("RGB") has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace resgrad::data {

struct Image {
  int height = 0, width = 0;
  std::vector<std::uint8_t> pixels = {};  ///< [height, width, 3], R, G, B in [0, 255]

  std::uint8_t at(int y, int x, int channel) const {
    return pixels[(static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
                   static_cast<std::size_t>(x)) *
                      3 +
                  static_cast<std::size_t>(channel)];
  }
};

/// The most pixels of an image, so that a small file cannot ask for all the memory: 2^27.
inline constexpr std::int64_t kMaxPixels = std::int64_t{1} << 27;

/// A black image. Throws IoError that names `name` for less than one pixel or more than kMaxPixels.
Image make_image(std::int64_t height, std::int64_t width, const std::string& name);

/// Reads a PNG or JPEG file, whichever its first bytes say, as decode_png() or decode_jpeg() does.
/// Throws  IoError that names the file and the reason when it cannot be read, is of another format,
///         damaged or cut off, has more than kMaxPixels or 8 bytes for each of them, or has colours
///         other than grey and RGB (CMYK).
Image read_image(const std::filesystem::path& file);

/// The same from memory; `name` stands for the file in messages.
Image decode_image(std::span<const std::byte> bytes, const std::string& name);

}  // namespace resgrad::data
