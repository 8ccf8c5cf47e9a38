// Convolution as an implicit matrix product in channels_last: the rows are positions of an image,
// the depth the inputs under the taps, the columns the channels of the result: a product for each
// group of the channels. Blocks of rows are
// gathered in cache, one or more lines of taps at a time, and multiplied by packed weights.
#pragma once

#include <cstdint>

#include "core/kernels/conv2d/epilogue.h"
#include "core/kernels/conv2d/input.h"

namespace resgrad::kernels {

/// Which source pixels each position of a grid of n images of grid_h x grid_w positions reads:
/// position (i, j) takes taps_h x taps_w neighbouring pixels, the first of which is
/// (i * step_h + first_h, j * step_w + first_w); outside of the source they are zero. Of the
/// `pixel` channels of a source pixel a group reads `channels`.
struct TapGrid {
  std::int64_t n, grid_h, grid_w;
  std::int64_t source_h, source_w, channels, pixel;
  std::int64_t taps_h, taps_w, step_h, step_w, first_h, first_w;
};

/// Position (i, j) of the grid is pixel (i * step_h + first_h, j * step_w + first_w) of the result,
/// of whose `pixel` channels a group writes `columns`.
struct TapTarget {
  std::int64_t h, w, columns, pixel, step_h, step_w, first_h, first_w;
};

/// The weight of group g for tap (i, j), source channel c and column k is at
/// w[first + i * tap_h + j * tap_w + c * channel + k * column + g * group].
struct TapWeights {
  std::int64_t first, tap_h, tap_w, channel, column, group;
};

/// How a product over a grid is cut, and where its parts lie in the workspace, in floats.
struct DirectPlan {
  TapGrid grid;
  TapTarget target;
  TapWeights weights;
  std::int64_t groups;                                  // products of their own, side by side
  std::int64_t parts;                                   // most threads
  std::int64_t sums;                                    // of gradients: in each group one for each
                                                        // of so many shares of the positions
  std::int64_t units;                                   // of a group's gradient: panels of columns
                                                        // in pieces of the depth
  std::int64_t lines;                                   // of taps that are gathered at a time
  std::int64_t block;                                   // rows that are gathered at a time
  std::int64_t column_parts;                            // of a block, where blocks are few
  std::int64_t unit_depth;                              // of gathered pixels, for a gradient
  bool in_place;                                        // row r is pixel r of x: 1x1, stride 1
  bool packs_gradients;                                 // dy and the pixels are packed
  std::int64_t gathered_row, result_row;                // row strides
  std::int64_t packed, gathered, tiles, result;         // offsets
  std::int64_t gathered_size, tiles_size, result_size;  // of one thread
  std::int64_t packed_size;                             // of the weights of a group
  std::int64_t floats;                                  // size of the workspace
};

template <class T>
struct DirectKernels {
  std::int64_t lanes;             // columns must be a multiple of this
  std::int64_t panel;             // columns that the product takes at a time
  std::int64_t unpacked_columns;  // so few panels read dy too few times for packing it to pay
  /// y at the positions of the grid = the sum of taps of x times weights.
  void (*convolve)(T* y, const Conv2dInput<T>& x, const T* w, const DirectPlan& plan, T* workspace);
  /// dw = the sum over positions of taps of x times dy.
  void (*backward_weight)(T* dw, const Conv2dInput<T>& x, const T* dy, const DirectPlan& plan,
                          T* workspace);
  /// For inference: packed weights, and y with an epilogue from them.
  void (*prepare)(T* weights, const T* w, const DirectPlan& plan);
  void (*infer)(T* y, const Conv2dInput<T>& x, const T* weights, const Conv2dEpilogue& epilogue,
                const DirectPlan& plan, T* workspace);
};

/// For float.
template <class T>
const DirectKernels<T>& direct();

}  // namespace resgrad::kernels
