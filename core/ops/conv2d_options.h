#pragma once

#include "core/ops/pair2d.h"

namespace resgrad {

struct Conv2dOptions {
  Pair2d stride = 1;
  Pair2d padding = 0;  ///< zeros added on both sides of each axis
  Pair2d dilation = 1;
  std::int64_t groups = 1;
};

}  // namespace resgrad
