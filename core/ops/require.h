// The checks that operations share, so that their errors read alike.
#pragma once

#include <string_view>

#include "core/ops/pair2d.h"
#include "core/tensor.h"

namespace resgrad {

/// Throws  ShapeError unless `t` has this rank.
void require_rank(std::string_view op, std::string_view argument, const Tensor& t,
                  std::int64_t rank);

/// Throws  ShapeError unless `t` has this shape, where -1 stands for any size.
void require_shape(std::string_view op, std::string_view argument, const Tensor& t,
                   const Shape& expected);

/// Throws  ValueError unless `t` has this dtype.
void require_dtype(std::string_view op, std::string_view argument, const Tensor& t, DType expected);

/// Throws  ValueError unless `t` is float32 or float64.
void require_floating(std::string_view op, std::string_view argument, const Tensor& t);

/// Throws  ValueError unless an option that is a number of elements lies in [minimum, 2^31): output
///         sizes that are computed from larger ones could overflow.
void require_size(std::string_view op, std::string_view argument, std::int64_t value,
                  std::int64_t minimum);
void require_size(std::string_view op, std::string_view argument, Pair2d value,
                  std::int64_t minimum);

/// A pattern of sizes as errors show it: -1 becomes `*`.
std::string shape_pattern(const Shape& pattern);

}  // namespace resgrad
