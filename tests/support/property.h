// Shorthands for property tests with rapidcheck.
#pragma once

#include <rapidcheck.h>

#include <stdexcept>

#include "tests/support/compare.h"

namespace resgrad::testing {

/// Uniform in [low, high].
inline std::int64_t pick(std::int64_t low, std::int64_t high) {
  return *rc::gen::inRange<std::int64_t>(low, high + 1);
}

inline bool pick_bool() {
  return pick(0, 1) == 1;
}

inline DType pick_dtype() {
  return pick_bool() ? DType::float32 : DType::float64;
}

inline MemoryFormat pick_format() {
  return pick_bool() ? MemoryFormat::channels_last : MemoryFormat::contiguous;
}

inline std::uint64_t pick_seed() {
  return static_cast<std::uint64_t>(pick(0, 1 << 20));
}

inline Shape pick_shape(std::int64_t rank, std::int64_t largest = 5) {
  Shape shape;
  for (std::int64_t i = 0; i < rank; ++i) shape.push_back(pick(1, largest));
  return shape;
}

/// What sums of some hundred products of numbers below 1 may be off by.
inline double rounding(DType dtype) {
  return dtype == DType::float32 ? 2e-5 : 1e-12;
}

/// Fails the property, or the test case around it, with the text of the comparison.
inline void expect(const Comparison& comparison) {
  if (!comparison) throw std::runtime_error(comparison.text);
}

}  // namespace resgrad::testing
