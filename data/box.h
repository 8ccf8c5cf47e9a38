// A rectangle of pixels.
#pragma once

#include <algorithm>

namespace resgrad::data {

/// Rows [top, bottom) and columns [left, right).
struct Box {
  int top = 0, bottom = 0, left = 0, right = 0;
  int area() const { return (bottom - top) * (right - left); }
  bool operator==(const Box&) const = default;
};

/// `box_height` x `box_width` pixels around pixel (y, x), without what is outside of the image.
inline Box box_around(int y, int x, int box_height, int box_width, int height, int width) {
  const int top = y - box_height / 2, left = x - box_width / 2;
  return {.top = std::clamp(top, 0, height),
          .bottom = std::clamp(top + box_height, 0, height),
          .left = std::clamp(left, 0, width),
          .right = std::clamp(left + box_width, 0, width)};
}

}  // namespace resgrad::data
