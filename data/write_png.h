// Writing image files. Built on libpng.
#pragma once

#include <filesystem>

#include "data/image.h"

namespace resgrad::data {

/// Writes an 8-bit RGB PNG; read_image() gives the same pixels back.
/// Throws  ValueError for an image without pixels or with another number of them than
///         height * width * 3; IoError when the file cannot be written.
void write_png(const std::filesystem::path& file, const Image& image);

}  // namespace resgrad::data
