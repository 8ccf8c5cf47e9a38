// Augmentation and normalisation of one image, in one pass into the batch.
#pragma once

#include <array>

#include "core/enum_names.h"
#include "core/random.h"
#include "data/box.h"
#include "data/dataset.h"
#include "data/normalise.h"
#include "data/policy.h"

namespace resgrad::data {

/// What is around an image that is padded: black pixels, or the image mirrored at its outermost
/// pixels, which are not repeated (numpy.pad's "reflect": c b [a b c] b a).
enum class PadMode { zero, reflect };

constexpr EnumNames<PadMode, 2> kPadModeNames = {
    {{"zero", PadMode::zero}, {"reflect", PadMode::reflect}}};

/// When an image is mirrored left and right: never; in each epoch with probability 1/2; or in every
/// second epoch, beginning with the side that `random` draws for epoch 0. Alternating, any two
/// epochs that follow each other show both sides of every image once.
enum class Flip { none, random, alternating };

constexpr EnumNames<Flip, 3> kFlipNames = {
    {{"none", Flip::none}, {"random", Flip::random}, {"alternating", Flip::alternating}}};

struct AugmentOptions {
  int pad = 4;  ///< pixels around the image before the random crop; 0: no crop
  PadMode pad_mode = PadMode::zero;
  Flip flip = Flip::random;
  Policy policy = Policy::plain;
  int cutout = 0;             ///< side of the square that is set to the mean; 0: none
  double random_erasing = 0;  ///< probability that a box of random size is set to the mean
};

/// Throws  ValueError for a padding or a cutout outside 0 to 65536, or a probability outside 0 to
///         1.
void check_options(const AugmentOptions& options);

/// What was drawn for one image.
struct Augmentation {
  int dy = 0, dx = 0;  ///< shift of the crop, in [-pad, pad]
  PadMode pad_mode = PadMode::zero;
  bool flip = false;
  ImageSteps steps = {};         ///< operations on the pixels
  Box cutout = {}, erased = {};  ///< within the image, empty: none
};

/// What sample number `sample` of height x width gets in `epoch`: a function of these and `seed`
/// alone. The shift is uniform. The centre of the square is uniform over
/// the image, so that squares at the border are cut off. The erased box lies within the image: its
/// area is uniform in [0.02, 0.4] of the image's, height / width log-uniform in [0.3, 1 / 0.3];
/// after ten draws that do not fit there is none. Operations are drawn last, as draw_steps() does.
/// Throws  ValueError as check_options does.
/// Source  crop and flip: He et al. 2015, arXiv:1512.03385, section 4.2; alternating: Jordan 2024,
///         arXiv:2404.00498, section 3.6; cutout: DeVries & Taylor 2017, arXiv:1708.04552; random
///         erasing: Zhong et al. 2020, arXiv:1708.04896, Algorithm 1.
/// Differs  the log of the aspect ratio is uniform, so that tall and wide are alike, the place is
///         drawn among those that fit, and the value is the mean (their variant RE-M).
Augmentation draw_augmentation(const AugmentOptions& options, int height, int width,
                               std::uint64_t seed, std::uint32_t epoch, std::uint64_t sample);

/// Normalised values of the 256 levels of each channel.
class PixelTable {
 public:
  /// Throws  ValueError for a deviation that is not positive.
  explicit PixelTable(const Normalisation& normalisation);
  float operator()(std::size_t channel, std::uint8_t level) const {
    return values_[channel][level];
  }

 private:
  std::array<std::array<float, 256>, 3> values_{};
};

/// Writes image `index` of `dataset`, augmented and normalised, to out [height, width, 3]. Pixels
/// from outside the image are as `a.pad_mode` says, before normalisation; the boxes are 0, the
/// mean, after it. The crop is taken first, then mirrored, then the steps are applied, then the
/// boxes are cut. `index` must be in range.
void write_image(float* out, const Dataset& dataset, std::int64_t index, const Augmentation& a,
                 const PixelTable& table);

}  // namespace resgrad::data
