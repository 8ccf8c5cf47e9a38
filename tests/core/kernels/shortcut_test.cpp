#include "core/kernels/shortcut.h"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

using namespace resgrad::kernels;

namespace {

template <class T>
void check(const PadShortcutDims& d) {
  std::vector<T> x(static_cast<std::size_t>(d.n * d.h * d.w * d.c));
  std::iota(x.begin(), x.end(), T{1});
  std::vector<T> y(static_cast<std::size_t>(d.n * d.h_out() * d.w_out() * d.c_out()), T{-1});
  pad_shortcut(y.data(), x.data(), d);
  std::vector<T> want(y.size()), taken(x.size());
  for (std::int64_t n = 0; n < d.n; ++n) {
    for (std::int64_t h = 0; h < d.h; h += d.stride_h) {
      for (std::int64_t w = 0; w < d.w; w += d.stride_w) {
        const std::int64_t to = (n * d.h_out() + h / d.stride_h) * d.w_out() + w / d.stride_w;
        for (std::int64_t c = 0; c < d.c; ++c) {
          const auto i = static_cast<std::size_t>(((n * d.h + h) * d.w + w) * d.c + c);
          want[static_cast<std::size_t>(to * d.c_out() + d.before + c)] = taken[i] = x[i];
        }
      }
    }
  }
  CHECK(y == want);
  std::vector<T> dx(x.size(), T{-1});
  pad_shortcut_backward(dx.data(), y.data(), d);
  CHECK(dx == taken);
}

}  // namespace

TEST_CASE("pad_shortcut takes pixels and pads channels, backward brings them back") {
  for (const PadShortcutDims& d :
       {PadShortcutDims{2, 3, 5, 4, 2, 2, 1, 2}, PadShortcutDims{1, 1, 1, 1, 3, 3, 0, 0},
        PadShortcutDims{3, 2, 4, 7, 1, 3, 0, 5}, PadShortcutDims{9, 16, 32, 32, 2, 2, 8, 8}}) {
    check<float>(d);
    check<double>(d);
  }
}
