// Image files: PNG and JPEG, read as 8-bit colour with the values that Pillow's
// Image.open(file).convert("RGB") has.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/pixels.h"

namespace resgrad::data {

struct ImageOptions {
  /// Turn and mirror as the file's EXIF orientation says (data/exif.h).
  bool exif_transpose = false;
};

/// Reads a PNG or JPEG file, whichever its first bytes say, as decode_png() or decode_jpeg() does.
/// Throws  IoError that names the file and the reason when it cannot be read, is of another format,
///         damaged or cut off, has more pixels than kMaxPixels or than its bytes can stand for,
///         more than 8 bytes for each of kMaxPixels, or has colours other than grey and RGB (CMYK).
Image read_image(const std::filesystem::path& file, const ImageOptions& options = {});

/// The bytes of such a file, which are not looked at.
/// Throws  IoError when it cannot be read or is larger than an image can be.
std::vector<std::byte> read_image_bytes(const std::filesystem::path& file);

/// The same as read_image() from memory; `name` stands for the file in messages.
Image decode_image(std::span<const std::byte> bytes, const std::string& name,
                   const ImageOptions& options = {});

}  // namespace resgrad::data
