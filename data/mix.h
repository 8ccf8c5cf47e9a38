// Mixing the images of a batch in pairs, with the share that each keeps.
#pragma once

#include <cstdint>

#include "core/random.h"
#include "data/box.h"

namespace resgrad::data {

/// The parameter a of Beta(a, a), which the share is drawn from; 0: not used. With both, a batch
/// takes one or the other with equal probability.
struct MixOptions {
  double mixup = 0;   ///< whole images are blended
  double cutmix = 0;  ///< a box is put in from the other image
  bool any() const { return mixup != 0 || cutmix != 0; }
};

/// Throws  ValueError for a parameter that is not 0 and outside 0.001 to 1000.
void check_options(const MixOptions& options);

/// What was drawn for one batch: inside `box`, x_i = keep * x_i + (1 - keep) * x_(i-1).
struct Mix {
  double share = 1;  ///< of its first label in an image: the loss is
                     ///< share * CE(y, first) + (1 - share) * CE(y, second)
  Box box = {};
  float keep = 1;
};

/// mixup:  share ~ Beta(a, a), keep = share, the box is the whole image.
/// cutmix: s ~ Beta(a, a); a box of height * sqrt(1 - s) x width * sqrt(1 - s) around a uniform
///         pixel, without what is outside; share = 1 - area / (height * width), keep = 0.
/// Throws  ValueError as check_options() does.
/// Source  mixup: Zhang et al. 2018, arXiv:1710.09412, equation 1; cutmix: Yun et al. 2019,
///         arXiv:1905.04899, equations 1 and 2.
Mix draw_mix(const MixOptions& options, int height, int width, Random& random);

/// Mixes images [n, height, width, 3] in place: each with the one before it as it was, the first
/// with the last. (Differs from the papers, which permute the batch: a shuffled one needs no more.)
void mix_images(float* images, std::int64_t n, int height, int width, const Mix& mix);

}  // namespace resgrad::data
