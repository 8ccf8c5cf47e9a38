// Passes over tensors along their axes, without gradients: copies of parts, and sums.
#pragma once

#include <vector>

#include "core/kernels/strided.h"
#include "core/tensor.h"

namespace resgrad {

/// The axes for a pass over `shape` in the order in which `y` lies in memory, the innermost last.
/// strides_a and strides_b say how far apart neighbours lie in two tensors a and b, 0 where an
/// element is repeated. Axes of size 1 are left out; neighbouring ones that both tensors pass as
/// one are joined. In front stands one of size 1, and there are at least two.
std::vector<kernels::StridedAxis> joined_axes(const Tensor& y, const Shape& shape,
                                              const std::vector<std::int64_t>& strides_a,
                                              const std::vector<std::int64_t>& strides_b);

/// Where elements of a tensor lie: the first one, and how far apart neighbours along each axis are;
/// 0 where one stands for all.
struct Places {
  std::int64_t first = 0;
  std::vector<std::int64_t> strides = {};
};

/// Copies elements of x to elements of y, as many along each axis as `shape` says, none being
/// nothing. Both tensors have the same dtype.
void copy_places(Tensor& y, const Places& to, const Tensor& x, const Places& from,
                 const Shape& shape);

/// scale * (the sum of a floating x along the axes i that have summed[i]), viewed as `out`. Adds in
/// double; the sum of nothing is 0.
Tensor sum_along(const Tensor& x, const std::vector<bool>& summed, double scale, const Shape& out);

}  // namespace resgrad
