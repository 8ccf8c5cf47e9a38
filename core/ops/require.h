// The checks that operations share, so that their errors read alike.
#pragma once

#include <string_view>

#include "core/tensor.h"

namespace resgrad {

/// Throws ShapeError unless `t` has this rank.
void require_rank(std::string_view op, std::string_view argument, const Tensor& t,
                  std::int64_t rank);

/// Throws ShapeError unless `t` has this shape, where -1 stands for any size.
void require_shape(std::string_view op, std::string_view argument, const Tensor& t,
                   const Shape& expected);

/// Throws ValueError unless `t` has this dtype.
void require_dtype(std::string_view op, std::string_view argument, const Tensor& t, DType expected);

/// Throws ValueError unless `t` is float32 or float64.
void require_floating(std::string_view op, std::string_view argument, const Tensor& t);

/// A pattern of sizes as errors show it: -1 becomes `*`.
std::string shape_pattern(const Shape& pattern);

}  // namespace resgrad
