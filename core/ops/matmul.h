// Matrix products.
#pragma once

#include "core/tensor.h"

namespace resgrad {

/// Matrix product y = a b.
/// Shapes  a [m, k], b [k, n]; returns [m, n].
/// Grad    da = dy b', db = a' dy.  Saves a and b.
/// Throws  ShapeError unless both have rank 2 and the inner sizes agree, and for columns or an inner
///         size above 2^31 - 1; ValueError for dtypes that
///         differ or are int64.
Tensor matmul(const Tensor& a, const Tensor& b);

/// Affine map y = x w' + b.
/// Shapes  x [n, c_in], weight [c_out, c_in], bias [c_out] or undefined; returns [n, c_out].
/// Grad    dx = dy w, dw = dy' x, db = sum of dy over n.  Saves x and weight.
/// Throws  ShapeError or ValueError as matmul.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace resgrad
