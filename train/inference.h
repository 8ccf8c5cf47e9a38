// Running a network on images: test-time augmentation and the likeliest classes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/enum_names.h"
#include "nn/inference.h"
#include "nn/module.h"

namespace resgrad {

/// Test-time augmentation.
enum class Tta {
  none,
  flip,      ///< the mean of the logits of an image and its mirror image
  multicrop  ///< six views: the mean of `flip` on the image and of the mean of `flip` on the image
             ///< moved by one pixel down and right, and up and left, with reflected borders
};

constexpr EnumNames<Tta, 3> kTtaNames = {
    {{"none", Tta::none}, {"flip", Tta::flip}, {"multicrop", Tta::multicrop}}};

/// Left and right exchanged: x [n, c, h, w] in either format, float32; without a gradient.
Tensor mirrored(const Tensor& x);

/// The image moved by (dy, dx) pixels, as numpy.pad's "reflect" continues it: y[i, j] = x[reflect(i
/// - dy), reflect(j - dx)]. x [n, c, h, w] in either format, float32; without a gradient.
/// Throws  ValueError unless |dy| < h and |dx| < w.
Tensor moved(const Tensor& x, std::int64_t dy, std::int64_t dx);

/// Logits [n, classes] of `images` [n, 3, h, w], in whatever mode `net` is.
/// Source  multicrop: Jordan 2024, arXiv:2404.00498, section 3.5.
Tensor infer(Module& net, const Tensor& images, Tta tta);
/// The same of a network that is prepared for inference.
Tensor infer(InferenceNet& net, const Tensor& images, Tta tta);

struct Ranked {
  std::int64_t index;
  double value;
};

/// The min(k, size) largest values, the largest first, among equal ones the lower index. Values
/// must not be NaN.
std::vector<Ranked> largest(const std::vector<double>& values, std::int64_t k);

}  // namespace resgrad
