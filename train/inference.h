// Running a network on images: test-time augmentation and the likeliest classes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/enum_names.h"
#include "nn/module.h"

namespace resgrad {

/// Test-time augmentation.
enum class Tta {
  none,
  flip  ///< the mean of the logits of an image and its mirror image
};

constexpr EnumNames<Tta, 2> kTtaNames = {{{"none", Tta::none}, {"flip", Tta::flip}}};

/// Left and right exchanged: x [n, c, h, w] in either format, float32; without a gradient.
Tensor mirrored(const Tensor& x);

/// Logits [n, classes] of `images` [n, 3, h, w], in whatever mode `net` is.
Tensor infer(Module& net, const Tensor& images, Tta tta);

struct Ranked {
  std::int64_t index;
  double value;
};

/// The min(k, size) largest values, the largest first, among equal ones the lower index. Values
/// must not be NaN.
std::vector<Ranked> largest(const std::vector<double>& values, std::int64_t k);

}  // namespace resgrad
