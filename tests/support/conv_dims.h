// Random convolutions for property tests.
#pragma once

#include <algorithm>

#include "core/kernels/conv2d.h"
#include "tests/support/property.h"

namespace resgrad::testing {

/// Sizes with groups, strides, dilation and padding per axis; the kernel always fits.
inline kernels::Conv2dDims pick_conv2d_dims() {
  kernels::Conv2dDims d{};
  d.n = pick(1, 3);
  d.groups = pick(1, 3);
  d.c_in = d.groups * pick(1, 4), d.c_out = d.groups * pick(1, 4);
  d.k_h = pick(1, 4), d.k_w = pick(1, 4);
  d.stride_h = pick(1, 3), d.stride_w = pick(1, 3);
  d.pad_h = pick(0, 3), d.pad_w = pick(0, 3);
  d.dilation_h = pick(1, 2), d.dilation_w = pick(1, 2);
  const auto size = [](std::int64_t k, std::int64_t dilation, std::int64_t pad) {
    return std::max<std::int64_t>(pick(1, 9), dilation * (k - 1) + 1 - 2 * pad);
  };
  d.h_in = size(d.k_h, d.dilation_h, d.pad_h), d.w_in = size(d.k_w, d.dilation_w, d.pad_w);
  return d;
}

}  // namespace resgrad::testing
