// The orientation that cameras write into image files.
#pragma once

#include <cstddef>
#include <span>

#include "data/pixels.h"

namespace resgrad::data {

/// The orientation, 1 to 8, that the EXIF data of a JPEG (its first APP1 segment of that kind) or
/// PNG (its eXIf chunk) file says; 1, upright, where it says none or is damaged.
/// Source  CIPA DC-008 (EXIF 2.32), tag 0x0112. Differs from Pillow: XMP is not looked into.
int exif_orientation(std::span<const std::byte> file);

/// `image` as it is to be shown, from how it is stored with `orientation`: 2 mirrored left and
/// right, 3 turned by 180 degrees, 4 mirrored top and bottom, 5 transposed, 6 to be turned
/// clockwise, 7 transposed along the other diagonal, 8 to be turned anticlockwise; others: as it
/// is.
/// Source  Pillow's ImageOps.exif_transpose.
Image upright(const Image& image, int orientation);

}  // namespace resgrad::data
