// Normalisation of pixels: (value / 255 - mean) / std per colour channel.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "data/dataset.h"

namespace resgrad::data {

/// Mean and standard deviation per channel R, G, B, of values in [0, 1].
struct Normalisation {
  std::array<double, 3> mean = {0, 0, 0};
  std::array<double, 3> std = {1, 1, 1};
};

/// The preset of a data set, over all pixels of its training images, to four digits: cifar10,
/// cifar100, synthetic; `imagenet`: torchvision's, to three digits; or what six numbers with commas
/// say, mean R, G, B and deviation R, G, B.
/// Throws  ValueError for another text.
Normalisation normalisation(std::string_view text);

/// The six numbers that normalisation() reads as `normalisation`, exactly.
std::string to_setting(const Normalisation& normalisation);

/// Mean and standard deviation (of the population) over all pixels of `dataset`.
/// Throws  ValueError when it is empty.
Normalisation measure_normalisation(const Dataset& dataset);

}  // namespace resgrad::data
