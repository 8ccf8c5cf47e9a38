// Whitening: filters that make the values of image patches uncorrelated and of variance 1.
#pragma once

#include "models/resnet.h"

namespace resgrad {

/// Filters whose outputs on 3x3 patches of `images` are uncorrelated and of variance 1 (nearly, by
/// `eps`): with the eigenvalues l_1 >= l_2 >= ... and eigenvectors v_i of the covariance of all
/// patches that lie inside the images, filter i is
///   v_i / sqrt(l_i + eps),
/// and half the number of filters later comes its negative, so that a ReLU behind them loses
/// nothing. More pairs than eigenvectors (9 c) begin again with the first.
/// Shapes  images [n, c, h, w], in either format; returns [filters, c, 3, 3], float32.
/// Throws  ShapeError unless the images have rank 4 and at least 3x3 pixels, ValueError for a
///         number of filters that is not even and positive, eps that is not positive, and images
///         that are not finite.
/// Source  Jordan 2024, arXiv:2404.00498, section 3.2.
/// Differs  patches of 3x3, not 2x2 pixels.
Tensor whitening_filters(const Tensor& images, std::int64_t filters, double eps = 0.01);

/// Gives the stem of a network with config.whiten_stem its filters: whitening_filters() of `images`
/// as the network takes them (normalised, not augmented); some thousand are enough. Weights files
/// hold the filters, so only a network that is trained from the start needs this.
/// Throws  StateError for a network without a whitening stem, and as whitening_filters().
void whiten_stem(ResNet& net, const Tensor& images, double eps = 0.01);

}  // namespace resgrad
