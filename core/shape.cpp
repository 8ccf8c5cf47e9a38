#include "core/shape.h"

#include <algorithm>
#include <limits>

#include "core/check.h"

namespace resgrad {

std::int64_t numel(const Shape& shape, std::string_view op) {
  std::int64_t n = 1, limit = std::numeric_limits<std::int64_t>::max() / 8;
  for (std::int64_t d : shape) {
    require<ShapeError>(d >= 0, "{}: shape: expected sizes of at least 0, got {}", op, shape);
    limit /= std::max<std::int64_t>(d, 1);
    require<ShapeError>(limit > 0, "{}: shape: expected fewer elements, got {}", op, shape);
    n *= d;
  }
  return n;
}

std::vector<std::int64_t> strides_of(const Shape& shape, MemoryFormat format) {
  if (format == MemoryFormat::channels_last) {
    const std::int64_t c = shape[1], h = shape[2], w = shape[3];
    return {h * w * c, 1, w * c, c};
  }
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::int64_t normalise_axis(std::string_view op, std::int64_t axis, std::int64_t rank) {
  require<ShapeError>(axis >= -rank && axis < rank, "{}: axis: expected [{}, {}), got {}", op,
                      -rank, rank, axis);
  return axis < 0 ? axis + rank : axis;
}

Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t db = i < b.size() ? b[b.size() - 1 - i] : 1;
    require<ShapeError>(da == db || da == 1 || db == 1,
                        "{}: shapes: expected sizes that are equal or 1, got {} and {}", op, a, b);
    out[out.size() - 1 - i] = da == 1 ? db : da;
  }
  return out;
}

}  // namespace resgrad
