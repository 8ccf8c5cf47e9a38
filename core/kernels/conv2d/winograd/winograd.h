// Winograd's minimal filtering in channels_last, for convolutions of 3x3 taps with padding 1: with
// stride 1 by F(4x4, 3x3), a quarter of the multiplications, with stride 2 by F(4x4, 2x2), 81 where
// direct convolution has 144.
//
// The output is cut into tiles of 4x4, which need 6x6 inputs each. Tiles and weights are brought
// into a domain of 6x6 = 36 planes by linear transforms, multiplied plane by plane over the
// channels, and the products brought back (Lavin and Gray, arXiv:1509.09308, interpolation points
// 0, 1, -1, 2, -2 and infinity). With stride 2 x is taken apart into four phases, whose tiles of
// 5x5 make 25 planes (points 0, 1, -1, 2 and infinity), and which are like channels there: see
// planes_isa.h.
#pragma once

#include <cstdint>

#include "core/kernels/conv2d/epilogue.h"
#include "core/kernels/conv2d/input.h"

namespace resgrad::kernels {

/// How the work is divided into parts, one for each thread.
enum class WinogradSharing {
  tiles,    // each takes tiles of its own through all steps, in chunks that stay in its cache
  planes,   // all work on one chunk: the transforms by tiles, the products by planes
  columns,  // one chunk of all tiles; each takes blocks of columns, transforms of weights included
  groups  // each takes groups of its own, or tiles of a group, through all steps, weights included
};

/// Where a matrix for each plane lies in the workspace, in floats.
struct WinogradBuffer {
  std::int64_t offset;
  std::int64_t per_part;    // from one part's copy to the next; 0 if all share one
  std::int64_t plane, row;  // from one plane or row to the next
};

/// The sizes of one pass. The source is what tiles are read from, with `c` channels in a group: x,
/// or dy in backward_input. The result, with `k` channels, is y in the forward pass, dx in
/// backward_input, and dy in backward_weight, which is read as well.
struct WinogradPlan {
  std::int64_t n, source_h, source_w, result_h, result_w, c, k;
  std::int64_t groups;            // convolutions of their own, side by side in the channels
  std::int64_t c_pixel, k_pixel;  // from one pixel to the next: the channels of all groups
  std::int64_t points;            // of a transformed tile: 6 with stride 1, 5 with stride 2
  std::int64_t depth, width;      // of the products: c and k, for each phase
  std::int64_t tiles_h, tiles_w, tiles;
  std::int64_t chunk;    // most tiles that are transformed at a time
  std::int64_t columns;  // of one block, when threads share by columns
  std::int64_t parts;    // most threads; no more than tiles, or than tiles of all groups
  std::int64_t sums;     // of backward_weight: one for each of so many shares of the tiles
  WinogradSharing sharing;
  bool flip;  // weights as backward_input needs them
  WinogradBuffer source, product, weight;
  std::int64_t zeros, zeros_size;  // offset of zeros: lines of the padding
  std::int64_t floats;             // size of the workspace

  std::int64_t planes() const { return points * points; }
  std::int64_t source_phases() const { return points == 5 && !flip ? 4 : 1; }
  std::int64_t result_phases() const { return points == 5 && flip ? 4 : 1; }
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
