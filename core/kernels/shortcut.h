// Taking every stride-th pixel and padding its channels, on channels_last activations: copies only,
// so there is nothing to gain from an instruction set.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

struct PadShortcutDims {
  std::int64_t n, c, h, w, stride_h, stride_w, before, after;

  std::int64_t c_out() const { return before + c + after; }
  std::int64_t h_out() const { return (h + stride_h - 1) / stride_h; }
  std::int64_t w_out() const { return (w + stride_w - 1) / stride_w; }
};

/// y [n, h_out, w_out, c_out] from x [n, h, w, c]; T is float or double.
template <class T>
void pad_shortcut(T* y, const T* x, const PadShortcutDims& d);

/// dx from dy: zero where no pixel was taken.
template <class T>
void pad_shortcut_backward(T* dx, const T* dy, const PadShortcutDims& d);

}  // namespace resgrad::kernels
