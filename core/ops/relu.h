#pragma once

#include "core/tensor.h"

namespace resgrad {

/// Rectifier y = max(x, 0), elementwise; NaN stays NaN.
/// Grad    dx = dy where y > 0, else 0 (0 at the kink).  Saves y, which is often needed by the
///         next operation anyway.
/// Throws  ValueError for int64.
Tensor relu(const Tensor& x);

/// max(a + b, 0) in one pass, for two tensors of one shape: relu(add(a, b)) without broadcasting.
/// Grad    da = db = dy where y > 0, else 0.  Saves y.
/// Throws  ShapeError when the shapes differ, ValueError when the dtypes differ or are int64.
Tensor add_relu(const Tensor& a, const Tensor& b);

}  // namespace resgrad
