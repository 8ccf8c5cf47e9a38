#include "data/image.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "core/check.h"
#include "data/decode_jpeg.h"
#include "data/decode_png.h"
#include "data/exif.h"

namespace resgrad::data {
namespace {

using namespace std::string_view_literals;

// What the largest image takes without compression: 16 bits of R, G, B and alpha.
constexpr std::uintmax_t kMaxFileBytes = kMaxPixels * 8;

// The bytes that tell a format, at a place near the start of a file.
struct Signature {
  std::string_view format, bytes;
  std::size_t at = 0;
};

constexpr Signature kPng = {"PNG", "\x89PNG\r\n\x1a\n"sv}, kJpeg = {"JPEG", "\xff\xd8\xff"sv};
// Those that are not read.
constexpr Signature kOthers[] = {
    {"GIF", "GIF8"sv},
    {"WebP", "WEBPVP8"sv, 8},
    {"BMP", "\0\0\0\0"sv, 6},  // after "BM", which is too short to tell, and the size
    {"TIFF", "II*\0"sv},
    {"TIFF", "MM\0*"sv},
    {"AVIF", "ftypavif"sv, 4},
    {"HEIC", "ftypheic"sv, 4},
    {"HEIF", "ftypmif1"sv, 4},
    {"JPEG 2000", "jP  \r\n\x87\n"sv, 4},
    {"JPEG 2000", "\xff\x4f\xff\x51"sv},
    {"JPEG XL", "JXL \r\n\x87\n"sv, 4},
    {"JPEG XL", "\xff\x0a"sv},
    {"Photoshop", "8BPS"sv},
    {"PDF", "%PDF-"sv},
};

bool has(std::string_view file, const Signature& signature) {
  return file.substr(std::min(signature.at, file.size())).starts_with(signature.bytes) &&
         (signature.format != "BMP" || file.starts_with("BM"));
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::string& name,
                   const ImageOptions& options) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (has(file, kPng) || has(file, kJpeg)) {
    Image image = has(file, kPng) ? decode_png(bytes, name) : decode_jpeg(bytes, name);
    return options.exif_transpose ? upright(image, exif_orientation(bytes)) : image;
  }
  for (const Signature& other : kOthers) {
    require<IoError>(!has(file, other), "image: {}: expected a PNG or JPEG file, got a {} file",
                     name, other.format);
  }
  throw IoError(fmt::format("image: {}: expected a PNG or JPEG file, got {} other bytes", name,
                            bytes.size()));
}

std::vector<std::byte> read_image_bytes(const std::filesystem::path& file) {
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
  return bytes;
}

Image read_image(const std::filesystem::path& file, const ImageOptions& options) {
  return decode_image(read_image_bytes(file), file.string(), options);
}

}  // namespace resgrad::data
