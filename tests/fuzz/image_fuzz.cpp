// PNG and JPEG files, with and without the turns of EXIF. The checksums of PNG's chunks are made to
// fit: of changed chunks hardly one would be read.
#include <zlib.h>

#include <vector>

#include "data/image.h"
#include "tests/fuzz/support.h"

using namespace resgrad;
using namespace resgrad::fuzz;

namespace {

std::uint32_t number(std::span<const std::byte> bytes) {
  std::uint32_t value = 0;
  for (const std::byte b : bytes.first(4)) value = value << 8 | std::to_integer<std::uint32_t>(b);
  return value;
}

// Chunks: the length of the contents, the type, they and a checksum of both.
void mend_png(std::span<std::byte> file) {
  constexpr std::size_t kSignature = 8, kLength = 4, kType = 4, kChecksum = 4;
  std::span<std::byte> rest = file.subspan(std::min(kSignature, file.size()));
  while (rest.size() >= kLength + kType + kChecksum) {
    const std::size_t length = number(rest);
    if (length > rest.size() - kLength - kType - kChecksum) return;
    const std::span<std::byte> checked = rest.subspan(kLength, kType + length);
    const uLong crc = ::crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
    rest = rest.subspan(kLength + kType + length);
    for (std::size_t i = 0; i < kChecksum; ++i)
      rest[i] = static_cast<std::byte>(crc >> (24 - 8 * i));
    rest = rest.subspan(kChecksum);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes = as_bytes(data, size);
  std::vector<std::byte> file(bytes.begin(), bytes.end());
  if (as_text(data, size).starts_with("\x89PNG")) mend_png(file);
  const bool exif_transpose = size % 2 == 1;
  data::Image image;
  if (!accepts(
          [&] { image = data::decode_image(file, "input", {.exif_transpose = exif_transpose}); })) {
    return 0;
  }
  expect(image.height >= 1 && image.width >= 1 &&
             std::ssize(image.pixels) == std::int64_t{image.height} * image.width * 3,
         "three bytes for each pixel");
  return 0;
}
