#include "data/image.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <memory>

#include "core/check.h"

namespace resgrad::data {
namespace {

constexpr std::array<unsigned char, 8> kPngStart = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
// The last chunk of every PNG: length 0, type, checksum.
constexpr std::array<unsigned char, 12> kPngEnd = {0,   0,   0,    0,    'I',  'E',
                                                   'N', 'D', 0xae, 0x42, 0x60, 0x82};
constexpr std::array<unsigned char, 3> kJpegStart = {0xff, 0xd8, 0xff};

// What the largest image takes without compression: 16 bits of R, G, B and alpha.
constexpr std::uintmax_t kMaxFileBytes = kMaxPixels * 8;

bool starts_with(std::span<const std::byte> bytes, std::span<const unsigned char> start) {
  return bytes.size() >= start.size() &&
         std::ranges::equal(bytes.first(start.size()), std::as_bytes(start));
}

Image empty_image(std::int64_t height, std::int64_t width, const std::string& name) {
  require<IoError>(height >= 1 && width >= 1 && height <= kMaxPixels / width,
                   "image: {}: expected 1 to {} pixels, got {} x {}", name, kMaxPixels, width,
                   height);
  return {.height = static_cast<int>(height),
          .width = static_cast<int>(width),
          .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3))};
}

Image decode_png(std::span<const std::byte> bytes, const std::string& name) {
  // libpng's simple reader stops after the last pixel and would not miss the end of the file
  require<IoError>(
      bytes.size() >= kPngEnd.size() && starts_with(bytes.last(kPngEnd.size()), kPngEnd),
      "image: {}: expected a PNG that ends in an IEND chunk, got one that is cut off "
      "or goes on",
      name);
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> guard(&png, png_image_free);
  const auto check = [&](int ok) {
    require<IoError>(ok != 0, "image: {}: expected a PNG without errors, got: {}", name,
                     png.message);
  };
  check(png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()));
  Image image = empty_image(png.height, png.width, name);
  // without this, 16-bit samples would be taken for linear light
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  // with alpha, since libpng would mix transparent pixels with a background otherwise
  png.format = PNG_FORMAT_RGBA;
  std::vector<png_byte> rgba(PNG_IMAGE_SIZE(png));
  check(png_image_finish_read(&png, nullptr, rgba.data(), 0, nullptr));
  for (std::size_t i = 0, n = rgba.size() / 4; i < n; ++i) {
    std::copy_n(&rgba[4 * i], 3, &image.pixels[3 * i]);
  }
  return image;
}

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name) {
  const std::unique_ptr<void, int (*)(tjhandle)> handle(tjInitDecompress(), tjDestroy);
  if (handle == nullptr) throw std::bad_alloc();
  const auto check = [&](int result) {
    require<IoError>(result == 0, "image: {}: expected a JPEG without errors, got: {}", name,
                     tjGetErrorStr2(handle.get()));
  };
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, subsampling = 0, colours = 0;
  check(tjDecompressHeader3(handle.get(), data, bytes.size(), &width, &height, &subsampling,
                            &colours));
  require<IoError>(colours != TJCS_CMYK && colours != TJCS_YCCK,
                   "image: {}: expected a JPEG of grey or RGB colours, got CMYK", name);
  Image image = empty_image(height, width, name);
  // damaged and missing data are warnings to libjpeg, which goes on with grey
  check(tjDecompress2(handle.get(), data, bytes.size(), image.pixels.data(), width, 0, height,
                      TJPF_RGB, TJFLAG_STOPONWARNING));
  return image;
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::string& name) {
  if (starts_with(bytes, kPngStart)) return decode_png(bytes, name);
  if (starts_with(bytes, kJpegStart)) return decode_jpeg(bytes, name);
  throw IoError(fmt::format("image: {}: expected a PNG or JPEG file, got {} other bytes", name,
                            bytes.size()));
}

Image read_image(const std::filesystem::path& file) {
  std::error_code error;
  require<IoError>(std::filesystem::is_regular_file(file, error),
                   "image: {}: expected a file, found {}", file.string(),
                   std::filesystem::exists(file, error) ? "something else" : "none");
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  std::ifstream in(file, std::ios::binary);
  require<IoError>(!error && in.is_open(), "image: {}: expected a file that can be opened, got: {}",
                   file.string(), error ? error.message() : std::strerror(errno));
  require<IoError>(size <= kMaxFileBytes, "image: {}: expected at most {} bytes, got {}",
                   file.string(), kMaxFileBytes, size);
  std::vector<std::byte> bytes(size);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  require<IoError>(in.good() || size == 0, "image: {}: expected to read {} bytes, got {}",
                   file.string(), size, in.gcount());
  return decode_image(bytes, file.string());
}

}  // namespace resgrad::data
