// The JPEG reader behind data/image.h, built on libjpeg.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "data/pixels.h"

namespace resgrad::data {

/// Decodes a JPEG file to the values that Pillow's Image.open(file).convert("RGB") has: libjpeg's
/// accurate integer transform and smooth upsampling of colours. Grey becomes R = G = B. What is
/// merely unusual is read: parameters of a sequential scan that are not those of the standard,
/// bytes before a marker, revisions of JFIF and colour transforms of Adobe that are not known, and
/// bytes after the end.
/// Throws  IoError that names the file `name` and the reason for one whose data is damaged or cut
///         off (Pillow reads what is damaged), of CMYK colours, or as make_image() does.
Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name);

}  // namespace resgrad::data
