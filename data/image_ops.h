// Operations on the pixels of one image, of which policies of augmentation consist.
#pragma once

#include <cstdint>

#include "core/enum_names.h"

namespace resgrad::data {

enum class ImageOp {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  color,
  contrast,
  sharpness,
  posterize,
  solarize,
  auto_contrast,
  equalize
};

/// As torchvision names them.
constexpr EnumNames<ImageOp, 14> kImageOpNames = {{{"Identity", ImageOp::identity},
                                                   {"ShearX", ImageOp::shear_x},
                                                   {"ShearY", ImageOp::shear_y},
                                                   {"TranslateX", ImageOp::translate_x},
                                                   {"TranslateY", ImageOp::translate_y},
                                                   {"Rotate", ImageOp::rotate},
                                                   {"Brightness", ImageOp::brightness},
                                                   {"Color", ImageOp::color},
                                                   {"Contrast", ImageOp::contrast},
                                                   {"Sharpness", ImageOp::sharpness},
                                                   {"Posterize", ImageOp::posterize},
                                                   {"Solarize", ImageOp::solarize},
                                                   {"AutoContrast", ImageOp::auto_contrast},
                                                   {"Equalize", ImageOp::equalize}}};

/// Applies `op` in place to `planes` [3, height, width] of 8 bits, R, G, B. The magnitude m is
///   ShearX, ShearY          pixels of shift per row or column, from the upper left corner
///   TranslateX, TranslateY  pixels to the right or down, cut to an integer
///   Rotate                  degrees around the centre, against the clock
///   Brightness, Color, Contrast, Sharpness
///                           m + 1 parts of the image and -m of another: black, its grey image, the
///                           mean of that, the image blurred by a 3x3 kernel (without its border)
///   Posterize               the number of upper bits that are kept
///   Solarize                values from this on are inverted
/// and of the others nothing. AutoContrast stretches each channel to [0, 255], Equalize makes its
/// values as frequent as one another. What comes from outside of the image is black; pixels are
/// taken from the nearest place.
/// Throws  ValueError for m below -1 where m + 1 is a part, and for a number of bits out of 0 to 8.
/// Source  Cubuk et al. 2019, arXiv:1805.09501, as torchvision 0.14 computes them on uint8 tensors
///         (functional_tensor.py): the same bytes, in the same float32 arithmetic.
/// Differs  the mean of Contrast is exact for images of any size.
void apply(ImageOp op, double magnitude, std::uint8_t* planes, int height, int width);

}  // namespace resgrad::data
