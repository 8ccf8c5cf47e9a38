// The PNG reader behind data/image.h, built on libpng.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "data/pixels.h"

namespace resgrad::data {

/// Decodes a PNG file to the values that Pillow's Image.open(file).convert("RGB") has: the samples
/// as they are stored, whatever the file says of gamma, primaries, colour profile, significant bits
/// or background (gAMA, cHRM, sRGB, iCCP, sBIT, bKGD). Grey becomes R = G = B, 1, 2 and 4 bits are
/// spread over 0 to 255, a palette is looked up, alpha is dropped. 16 bits: of colours and of grey
/// with alpha the high byte; plain grey is min(value, 255), as Pillow's mode I is converted. Bytes
/// after the IEND chunk are left unread, damaged ancillary chunks are skipped.
/// Throws  IoError that names the file `name` and the reason for a file that is damaged or cut off,
///         the IEND chunk included (Pillow does without that), or as make_image() does.
Image decode_png(std::span<const std::byte> bytes, const std::string& name);

}  // namespace resgrad::data
