// What follows a convolution and is done in its store.
#pragma once

namespace resgrad::kernels {

/// y = conv + bias[channel] + residual, where null adds nothing and the residual has the shape of
/// y; with `relu` max(that, 0), NaN staying NaN.
struct Conv2dEpilogue {
  const float* bias = nullptr;
  const float* residual = nullptr;
  bool relu = false;
};

}  // namespace resgrad::kernels
