#include "data/write_png.h"

#include <png.h>

#include "core/check.h"

namespace resgrad::data {

void write_png(const std::filesystem::path& file, const Image& image) {
  require<ValueError>(image.height >= 1 && image.width >= 1 &&
                          image.pixels.size() == 3 * static_cast<std::size_t>(image.height) *
                                                     static_cast<std::size_t>(image.width),
                      "write_png: image: expected height * width * 3 bytes, got {} for {} x {}",
                      image.pixels.size(), image.height, image.width);
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  if (png_image_write_to_file(&png, file.c_str(), 0, image.pixels.data(), 0, nullptr) == 0) {
    throw IoError(fmt::format("write_png: {}: expected a file that can be written, got: {}",
                              file.string(), png.message));
  }
}

}  // namespace resgrad::data
