#include "data/pixels.h"

#include <algorithm>

#include "core/check.h"

namespace resgrad::data {

Image make_image(std::int64_t height, std::int64_t width, const std::string& name,
                 std::int64_t most) {
  most = std::min(most, kMaxPixels);
  require<IoError>(height >= 1 && width >= 1 && height <= most / width,
                   "image: {}: expected 1 to {} pixels, got {} x {}", name, most, width, height);
  return {.height = static_cast<int>(height),
          .width = static_cast<int>(width),
          .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3))};
}

}  // namespace resgrad::data
