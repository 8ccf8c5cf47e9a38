// Elementwise arithmetic with NumPy's broadcasting: add, sub, mul, div, neg, pow, exp, log, sqrt,
// eq.
//
// Shapes  operands of any shapes that broadcast; the result has the broadcast shape and the memory
//         format of the larger operand (contiguous when both are as large and differ). Scalars take
//         the dtype of the other operand.
// Grad    for all operands, summed over the axes that were broadcast.
// Throws  ShapeError when the shapes do not broadcast, ValueError when the dtypes differ or are
//         int64; pow(x, 1) takes them.
#pragma once

#include "core/tensor.h"

namespace resgrad {

Tensor add(const Tensor& a, const Tensor& b);  ///< a + b. Saves nothing.
Tensor sub(const Tensor& a, const Tensor& b);  ///< a - b. Saves nothing.
Tensor mul(const Tensor& a, const Tensor& b);  ///< a * b. Saves of each what the other needs.
Tensor div(const Tensor& a, const Tensor& b);  ///< a / b. Saves a and b.
/// a ^ b. d/da = b a^(b-1), d/db = a^b log(a), taken as 0 where a = 0 and b >= 0, as PyTorch does.
/// Saves a and b.
Tensor pow(const Tensor& a, const Tensor& b);

/// 1 where a = b, else 0. Not recorded: its slope is 0 wherever there is one.
Tensor eq(const Tensor& a, const Tensor& b);

Tensor add(const Tensor& a, double b);
Tensor sub(const Tensor& a, double b);
Tensor mul(const Tensor& a, double b);
Tensor div(const Tensor& a, double b);
Tensor pow(const Tensor& a, double b);

Tensor neg(const Tensor& x);   ///< -x
Tensor exp(const Tensor& x);   ///< e^x. Saves the result.
Tensor log(const Tensor& x);   ///< Natural logarithm; NaN below 0. Saves x.
Tensor sqrt(const Tensor& x);  ///< Square root; NaN below 0. Saves the result.

inline Tensor operator+(const Tensor& a, const Tensor& b) {
  return add(a, b);
}
inline Tensor operator-(const Tensor& a, const Tensor& b) {
  return sub(a, b);
}
inline Tensor operator*(const Tensor& a, const Tensor& b) {
  return mul(a, b);
}
inline Tensor operator/(const Tensor& a, const Tensor& b) {
  return div(a, b);
}
inline Tensor operator-(const Tensor& x) {
  return neg(x);
}
inline Tensor operator+(const Tensor& a, double b) {
  return add(a, b);
}
inline Tensor operator-(const Tensor& a, double b) {
  return sub(a, b);
}
inline Tensor operator*(const Tensor& a, double b) {
  return mul(a, b);
}
inline Tensor operator/(const Tensor& a, double b) {
  return div(a, b);
}
inline Tensor operator+(double a, const Tensor& b) {
  return add(b, a);
}
inline Tensor operator*(double a, const Tensor& b) {
  return mul(b, a);
}
Tensor operator-(double a, const Tensor& b);
Tensor operator/(double a, const Tensor& b);

/// Sums `t` over the axes along which `shape` was broadcast to t's shape: the gradient of
/// broadcasting. Not recorded.
Tensor sum_to_shape(const Tensor& t, const Shape& shape);

}  // namespace resgrad
