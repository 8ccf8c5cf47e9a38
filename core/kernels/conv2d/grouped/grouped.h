// 3x3 convolution in narrow groups: 2, 4, 8 or 16 channels in and out of each group, padding 1,
// stride 1 or 2, in channels_last. A vector holds the channels of several groups, and the input
// channels are spread within each group's lanes, so that no lane is wasted.
#pragma once

#include <cstdint>

#include "core/kernels/conv2d/input.h"

namespace resgrad::kernels {

/// Channels of a band that are copied into cache together: a line of memory, the widest group.
constexpr std::int64_t kGroupedWindow = 16;

/// One pass and how it is cut. Images are worked on in bands of lines; a window of the channels of
/// a band is copied into cache first, with zeros for the padding. From it results are computed for
/// the channels of one vector (a slab) at a time.
struct GroupedPlan {
  std::int64_t n, channels, group, stride;
  /// What is read and what is written; for the gradient of the weight: x and dy.
  std::int64_t source_h, source_w, result_h, result_w;
  /// Strided backward pass to the input: the result is `stride` times as large as the source.
  bool transposed;
  std::int64_t parts;                       // most threads
  std::int64_t sums;                        // of gradients: one for each of so many shares of bands
  std::int64_t windows;                     // of the channels
  std::int64_t band;                        // lines of the result; even
  std::int64_t lines, columns;              // of a copied band of the source
  std::int64_t weights, source, gradient;   // offsets in the workspace, in floats
  std::int64_t weights_size;                // of all weights
  std::int64_t source_size, gradient_size;  // of one thread
  std::int64_t floats;                      // size of the workspace
};

template <class T>
struct GroupedKernels {
  std::int64_t lanes;         // of a vector
  std::int64_t tile_columns;  // results along a line that are computed together; even
  /// y = conv(x, w).
  void (*forward)(T* y, const Conv2dInput<T>& x, const T* w, const GroupedPlan& plan, T* workspace);
  /// dx = the transposed convolution of dy with w.
  void (*backward_input)(T* dx, const Conv2dInput<T>& dy, const T* w, const GroupedPlan& plan,
                         T* workspace);
  /// dw = the correlation of x with dy.
  void (*backward_weight)(T* dw, const Conv2dInput<T>& x, const T* dy, const GroupedPlan& plan,
                          T* workspace);
};

/// For float.
template <class T>
const GroupedKernels<T>& grouped();

}  // namespace resgrad::kernels
