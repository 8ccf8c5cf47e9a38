// Policies of augmentation: which operations an image gets, and how strong they are.
#pragma once

#include <array>
#include <cstdint>

#include "core/enum_names.h"
#include "core/random.h"
#include "data/image_ops.h"

namespace resgrad::data {

enum class Policy {
  plain,    ///< no operations
  trivial,  ///< one, with any of 31 magnitudes: TrivialAugment Wide
  rand      ///< two, one after the other, with the tenth of 31 magnitudes: RandAugment
};

constexpr EnumNames<Policy, 3> kPolicyNames = {
    {{"plain", Policy::plain}, {"trivial", Policy::trivial}, {"rand", Policy::rand}}};

/// An operation with its magnitude.
struct ImageStep {
  ImageOp op = ImageOp::identity;
  double magnitude = 0;
  bool operator==(const ImageStep&) const = default;
};

/// What an image gets, in this order.
using ImageSteps = std::array<ImageStep, 2>;

constexpr int kMagnitudes = 31;

/// Magnitude number `bin`, 0 to kMagnitudes - 1, of an operation of a policy for images of this
/// size: from low + (high - low) * bin / 30, low and high (number 0 and 30)
///                            trivial      rand
///   ShearX, ShearY           0  0.99      0  0.3
///   TranslateX               0  32        0  width * 150 / 331
///   TranslateY               0  32        0  height * 150 / 331
///   Rotate                   0  135       0  30
///   Brightness, Color, Contrast, Sharpness
///                            0  0.99      0  0.9
///   Posterize                8  2         8  4        rounded, to even where it is halfway
///   Solarize                 255  0       255  0
/// with low, high and the result rounded to float32, as in torchvision; 0 for the others.
double magnitude(Policy policy, ImageOp op, int bin, int height, int width);

/// Whether a policy draws a sign for the magnitude.
bool is_signed(ImageOp op);

/// Draws operations, uniformly, each with its magnitude and, where it has one, its sign.
/// Source  trivial: Mueller & Hutter 2021, arXiv:2103.10158, table 6 (Wide); rand: Cubuk et al.
///         2020, arXiv:1909.13719, with N = 2 and M = 9. Both with the operations, ranges and
///         defaults of torchvision 0.14's TrivialAugmentWide and RandAugment.
ImageSteps draw_steps(Policy policy, int height, int width, Random& random);

}  // namespace resgrad::data
