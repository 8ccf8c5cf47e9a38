// Augmentation and normalisation of one image, in one pass into the batch.
#pragma once

#include <array>

#include "core/random.h"
#include "data/dataset.h"
#include "data/normalise.h"

namespace resgrad::data {

struct AugmentOptions {
  int pad = 4;       ///< black pixels around the image before the random crop; 0: no crop
  bool flip = true;  ///< mirror left and right with probability 1/2
  int cutout = 0;    ///< side of the square that is set to the mean; 0: none
};

/// Throws ValueError for a padding or a cutout outside 0 to 65536.
void check_options(const AugmentOptions& options);

/// What was drawn for one image.
struct Augmentation {
  int dy = 0, dx = 0;  ///< shift of the crop, in [-pad, pad]
  bool flip = false;
  int cut_top = 0, cut_bottom = 0, cut_left = 0, cut_right = 0;  ///< the square, clipped, half-open
};

/// Draws the augmentation of an image of height x width. The centre of the square is uniform over
/// the image, so that squares at the border are cut off.
/// Throws  ValueError as check_options does.
/// Source  crop and flip: He et al. 2015, arXiv:1512.03385, section 4.2; cutout: DeVries & Taylor
///         2017, arXiv:1708.04552.
Augmentation draw_augmentation(const AugmentOptions& options, int height, int width,
                               Random& random);

/// Normalised values of the 256 levels of each channel.
class PixelTable {
 public:
  /// Throws ValueError for a deviation that is not positive.
  explicit PixelTable(const Normalisation& normalisation);
  float operator()(std::size_t channel, std::uint8_t level) const {
    return values_[channel][level];
  }

 private:
  std::array<std::array<float, 256>, 3> values_;
};

/// Writes image `index` of `dataset`, augmented and normalised, to out [height, width, 3]. Pixels
/// from outside the image are black, as before normalisation; the square is 0, the mean, after it.
/// The crop is taken first, then mirrored, then the square is cut. `index` must be in range.
void write_image(float* out, const Dataset& dataset, std::int64_t index, const Augmentation& a,
                 const PixelTable& table);

}  // namespace resgrad::data
