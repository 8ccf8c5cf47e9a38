// Winograd's minimal filtering F(4x4, 3x3) in channels_last: a convolution of 3x3 taps with stride
// 1 and padding 1 becomes 36 matrix products, with a quarter of the multiplications.
//
// The output is cut into tiles of 4x4, which need 6x6 inputs each. Tiles and weights are brought
// into a domain of 6x6 = 36 planes by linear transforms, multiplied plane by plane over the
// channels, and the products brought back (Lavin and Gray, arXiv:1509.09308, interpolation points
// 0, 1, -1, 2, -2 and infinity).
#pragma once

#include <cstdint>

#include "core/kernels/conv2d/epilogue.h"
#include "core/kernels/conv2d/input.h"

namespace resgrad::kernels {

constexpr std::int64_t kWinogradPlanes = 36;

/// How the work is divided into parts, one for each thread.
enum class WinogradSharing {
  tiles,    // each takes tiles of its own through all steps, in chunks that stay in its cache
  planes,   // all work on one chunk: the transforms by tiles, the products by planes
  columns,  // one chunk of all tiles; each takes blocks of columns, transforms of weights included
  groups  // each takes groups of its own, or tiles of a group, through all steps, weights included
};

/// Where 36 matrices lie in the workspace, in floats.
struct WinogradBuffer {
  std::int64_t offset;
  std::int64_t per_part;    // from one part's copy to the next; 0 if all share one
  std::int64_t plane, row;  // from one plane or row to the next
};

/// The sizes of one pass. `source` is what a 6x6 tile is read from, with `c` channels in a group;
/// `k` are the columns of the products: the channels that a group has of y in the forward pass and
/// of dy in backward_weight. In backward_input dy is the source, and dx has the k columns.
struct WinogradPlan {
  std::int64_t n, h, w, c, k;
  std::int64_t groups;            // convolutions of their own, side by side in the channels
  std::int64_t c_pixel, k_pixel;  // from one pixel to the next: the channels of all groups
  std::int64_t tiles_h, tiles_w, tiles;
  std::int64_t chunk;    // most tiles that are transformed at a time
  std::int64_t columns;  // of one block, when threads share by columns
  std::int64_t parts;    // most threads; no more than tiles, or than tiles of all groups
  std::int64_t sums;     // of backward_weight: one for each of so many shares of the tiles
  WinogradSharing sharing;
  bool flip;  // weights as backward_input needs them
  WinogradBuffer source, product, weight;
  std::int64_t zeros;   // offset of 6 * max(c_pixel, k_pixel) zeros: lines of the padding
  std::int64_t floats;  // size of the workspace
};

template <class T>
struct WinogradKernels {
  std::int64_t lanes;  // channels must be a multiple of this
  std::int64_t panel;  // columns that the product takes at a time
  /// y = conv(x, w), or with plan.flip the gradient of the input from x = dy.
  void (*convolve)(T* y, const Conv2dInput<T>& x, const T* w, const WinogradPlan& plan,
                   T* workspace);
  /// dw = the correlation of x with dy.
  void (*backward_weight)(T* dw, const Conv2dInput<T>& x, const T* dy, const WinogradPlan& plan,
                          T* workspace);
  /// For inference: planes of the weights, and y with an epilogue from them.
  void (*prepare)(T* weights, const T* w, const WinogradPlan& plan);
  void (*infer)(T* y, const Conv2dInput<T>& x, const T* weights, const Conv2dEpilogue& epilogue,
                const WinogradPlan& plan, T* workspace);
};

/// For float.
template <class T>
const WinogradKernels<T>& winograd();

}  // namespace resgrad::kernels
