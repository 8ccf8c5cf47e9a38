#pragma once

#include "core/tensor.h"

namespace resgrad {

/// Rectifier y = max(x, 0), elementwise; NaN stays NaN.
/// Grad    dx = dy where y > 0, else 0 (0 at the kink).  Saves y, which is often needed by the
///         next operation anyway.
/// Throws  ValueError for int64.
Tensor relu(const Tensor& x);

}  // namespace resgrad
