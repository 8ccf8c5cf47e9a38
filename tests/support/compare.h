// Comparisons for CHECK: sizes first, then every element, and the worst one is named.
#pragma once

#include <cmath>
#include <cstring>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace resgrad::testing {

/// True or false with the reason: CHECK(all_close(...)) prints it.
struct Comparison {
  bool ok = true;
  std::string text = {};
  explicit operator bool() const { return ok; }
  friend std::ostream& operator<<(std::ostream& out, const Comparison& c) { return out << c.text; }
};

/// The indices of element `flat` of a row-major array of this shape.
inline Shape unravel(std::int64_t flat, const Shape& shape) {
  Shape index(shape.size());
  for (std::size_t i = shape.size(); i-- > 0; flat /= shape[i]) index[i] = flat % shape[i];
  return index;
}

/// |got - want| <= tolerance * max(1, |want|) for every element; NaN equals NaN only.
inline Comparison all_close(std::span<const double> got, std::span<const double> want,
                            double tolerance, const Shape& shape) {
  if (got.size() != want.size()) {
    return {false, fmt::format("{} elements, expected {}", got.size(), want.size())};
  }
  double worst = 0;
  std::size_t at = 0, bad = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool same = got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]));
    double error = same ? 0 : std::abs(got[i] - want[i]) / std::max(1.0, std::abs(want[i]));
    if (std::isnan(error)) error = INFINITY;
    if (error > tolerance) ++bad;
    if (error > worst) worst = error, at = i;
  }
  if (bad == 0) return {true, fmt::format("largest error {:.2e}", worst)};
  return {false,
          fmt::format("{} of {} elements differ by more than {:.1e}; worst at {}: got {:.9g}, "
                      "expected {:.9g}",
                      bad, got.size(), tolerance, unravel(static_cast<std::int64_t>(at), shape),
                      got[at], want[at])};
}

/// The same for a tensor (in logical order, whatever its memory format) and expected values.
inline Comparison all_close(const Tensor& got, const std::vector<double>& want,
                            double tolerance = 0) {
  if (!got.defined()) return {false, "the tensor is undefined"};
  return all_close(std::span<const double>(got.to_vector<double>()), std::span(want), tolerance,
                   got.shape());
}

inline Comparison all_close(const Tensor& got, const Tensor& want, double tolerance = 0) {
  if (!got.defined()) return {false, "the tensor is undefined"};
  if (got.shape() != want.shape()) {
    return {false, fmt::format("shape {}, expected {}", got.shape(), want.shape())};
  }
  return all_close(got, want.to_vector<double>(), tolerance);
}

/// Same shape, dtype, memory format and bytes.
inline Comparison bit_equal(const Tensor& got, const Tensor& want) {
  if (got.dtype() != want.dtype() || got.memory_format() != want.memory_format()) {
    return {false,
            fmt::format("{} {}, expected {} {}", name(got.dtype()), name(got.memory_format()),
                        name(want.dtype()), name(want.memory_format()))};
  }
  Comparison values = all_close(got, want, 0);
  if (!values || got.byte_size() == 0) return values;
  return {std::memcmp(got.bytes(), want.bytes(), got.byte_size()) == 0, "the bytes differ"};
}

}  // namespace resgrad::testing
