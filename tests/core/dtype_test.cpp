#include "core/dtype.h"

#include <doctest/doctest.h>

#include <type_traits>

using namespace resgrad;

TEST_CASE("dtypes know their name, size and kind") {
  CHECK(name(DType::float32) == "float32");
  CHECK(name(DType::float64) == "float64");
  CHECK(name(DType::int64) == "int64");
  CHECK(size_of(DType::float32) == 4);
  CHECK(size_of(DType::float64) == 8);
  CHECK(size_of(DType::int64) == 8);
  CHECK(is_floating(DType::float32));
  CHECK_FALSE(is_floating(DType::int64));
  CHECK(dtype_of<double>() == DType::float64);
}

TEST_CASE("visitors pass the C++ type") {
  const auto size = []<class T>() { return std::is_integral_v<T> ? 1 : sizeof(T); };
  CHECK(visit_dtype(DType::float32, size) == 4);
  CHECK(visit_dtype(DType::float64, size) == 8);
  CHECK(visit_dtype(DType::int64, size) == 1);
  CHECK(visit_floating(DType::float32, "op", size) == 4);
  CHECK_THROWS_WITH_AS(visit_floating(DType::int64, "op", size),
                       "op: dtype: expected float32 or float64, got int64", ValueError);
}
