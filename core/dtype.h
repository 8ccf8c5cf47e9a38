// Element types of tensors, and the switch from a runtime type to a C++ type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "core/check.h"

namespace resgrad {

enum class DType { float32, float64, int64 };

constexpr std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int64:
      return "int64";
  }
  return "?";
}

constexpr std::size_t size_of(DType dtype) {
  return dtype == DType::float32 ? 4 : 8;
}

constexpr bool is_floating(DType dtype) {
  return dtype != DType::int64;
}

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::float32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::float64;
}
template <>
constexpr DType dtype_of<std::int64_t>() {
  return DType::int64;
}

/// `value` as a To, as static_cast has it.
/// Throws  ValueError where int64 cannot hold it: NaN, infinity, 2^63.
template <class To, class From>
To converted_value(From value) {
  if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    require<ValueError>(value >= From{-0x1p63} && value < From{0x1p63},
                        "conversion: expected a number that int64 can hold, got {}", value);
  }
  return static_cast<To>(value);
}

/// Calls `f.operator()<T>()`, f mostly being a `[&]<class T>() { ... }`, with T the C++ type of a
/// floating `dtype`; throws ValueError for int64. `op` names the caller in the message.
template <class F>
decltype(auto) visit_floating(DType dtype, std::string_view op, F&& f) {
  require<ValueError>(is_floating(dtype), "{}: dtype: expected float32 or float64, got {}", op,
                      name(dtype));
  return dtype == DType::float32 ? f.template operator()<float>() : f.template operator()<double>();
}

/// The same for any `dtype`.
template <class F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f.template operator()<float>();
    case DType::float64:
      return f.template operator()<double>();
    case DType::int64:
      break;
  }
  return f.template operator()<std::int64_t>();
}

}  // namespace resgrad
