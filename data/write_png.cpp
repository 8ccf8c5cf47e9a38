#include "data/write_png.h"

#include <png.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

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
  // Not libpng's own writing of files, which removes the file when it fails, were it a device.
  std::vector<char> bytes(PNG_IMAGE_PNG_SIZE_MAX(png));
  png_alloc_size_t size = bytes.size();
  require<IoError>(
      png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr) != 0,
      "write_png: {}: expected an image that can be encoded, got: {}", file.string(), png.message);
  errno = 0;
  std::ofstream out(file, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(size));
  out.flush();
  require<IoError>(out.good(), "write_png: {}: expected a file that can be written, got: {}",
                   file.string(), std::strerror(errno));
}

}  // namespace resgrad::data
