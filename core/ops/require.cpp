#include "core/ops/require.h"

#include <algorithm>
#include <limits>
#include <string>

namespace resgrad {
namespace {

constexpr std::int64_t kMaxSize = std::numeric_limits<std::int32_t>::max();

}  // namespace

std::string shape_pattern(const Shape& pattern) {
  std::vector<std::string> sizes;
  for (std::int64_t d : pattern) sizes.push_back(d == -1 ? "*" : std::to_string(d));
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

void require_rank(std::string_view op, std::string_view argument, const Tensor& t,
                  std::int64_t rank) {
  require<ShapeError>(t.rank() == rank, "{}: {}: expected rank {}, got shape {}", op, argument,
                      rank, t.shape());
}

void require_shape(std::string_view op, std::string_view argument, const Tensor& t,
                   const Shape& expected) {
  bool fits = t.shape().size() == expected.size();
  for (std::size_t i = 0; fits && i < expected.size(); ++i) {
    fits = expected[i] == -1 || expected[i] == t.shape()[i];
  }
  if (!fits) {
    throw ShapeError(fmt::format("{}: {}: expected {}, got {}", op, argument,
                                 shape_pattern(expected), t.shape()));
  }
}

void require_dtype(std::string_view op, std::string_view argument, const Tensor& t,
                   DType expected) {
  require<ValueError>(t.dtype() == expected, "{}: {}: expected dtype {}, got {}", op, argument,
                      name(expected), name(t.dtype()));
}

void require_size(std::string_view op, std::string_view argument, std::int64_t value,
                  std::int64_t minimum) {
  require<ValueError>(value >= minimum && value <= kMaxSize, "{}: {}: expected {} to {}, got {}",
                      op, argument, minimum, kMaxSize, value);
}

void require_size(std::string_view op, std::string_view argument, Pair2d value,
                  std::int64_t minimum) {
  require<ValueError>(
      std::min(value.h, value.w) >= minimum && std::max(value.h, value.w) <= kMaxSize,
      "{}: {}: expected {} to {}, got ({}, {})", op, argument, minimum, kMaxSize, value.h, value.w);
}

void require_floating(std::string_view op, std::string_view argument, const Tensor& t) {
  require<ValueError>(is_floating(t.dtype()), "{}: {}: expected a floating dtype, got {}", op,
                      argument, name(t.dtype()));
}

}  // namespace resgrad
