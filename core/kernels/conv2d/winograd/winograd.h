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
#include "core/kernels/conv2d/winograd/winograd_plan.h"

namespace resgrad::kernels {

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
