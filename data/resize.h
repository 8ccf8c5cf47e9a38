// Resizing and cropping of images, value for value as torchvision does it with Pillow images.
#pragma once

#include "data/image.h"

namespace resgrad::data {

/// Bilinear with antialiasing: each pixel is the mean of the source pixels under it, weighted by a
/// triangle of half the width max(1, scale) of a source pixel. Columns first, then rows, rounded to
/// 8 bits after each.
/// Throws  ValueError for a size below 1 or above kMaxPixels pixels, of the result or of the image
///         between the two passes.
/// Source  Pillow, src/libImaging/Resample.c, whose values it gives.
Image resize(const Image& image, int height, int width);

/// Resizes so that the shorter side has `size` pixels and the longer floor(size * longer /
/// shorter).
/// Source  torchvision.transforms.Resize(size).
Image resize_shorter_side(const Image& image, int size);

/// The square of `size` pixels in the middle; an odd pixel goes to the side that round-half-to-even
/// gives it.
/// Throws  ValueError when the image is smaller.
/// Source  torchvision.transforms.CenterCrop(size).
Image centre_crop(const Image& image, int size);

}  // namespace resgrad::data
