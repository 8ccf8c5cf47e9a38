// An image in memory: 8 bits of red, green and blue.
#pragma once

#include <cstddef>
#include <cstdint>
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

/// A black image.
/// Throws  IoError that names `name` for less than one pixel, more than kMaxPixels, and more than
///         `most`, which is what the bytes of a file may stand for.
Image make_image(std::int64_t height, std::int64_t width, const std::string& name,
                 std::int64_t most = kMaxPixels);

}  // namespace resgrad::data
