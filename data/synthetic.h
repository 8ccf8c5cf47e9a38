// The synthetic data set: ten classes of drawn figures, made on the spot, so that everything runs
// without a download.
#pragma once

#include "data/dataset.h"

namespace resgrad::data {

/// `count` images of 3x32x32 with labels 0, 1, ..., 9, 0, 1, ... Each shows one of ten figures
/// (disc, ring, square, triangle, cross, star, horizontal, vertical and diagonal stripes,
/// checkerboard) of random size, place, slight turn and colour on a random gradient, with lines
/// and blobs that distract and noise. Colours say nothing about the class. Image i is a function
/// of (seed, split, i) alone.
/// Throws  ValueError for a negative count.
Dataset make_synthetic(Split split, std::int64_t count, std::uint64_t seed);

}  // namespace resgrad::data
