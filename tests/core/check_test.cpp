#include "core/check.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using namespace resgrad;

TEST_CASE("require throws the formatted message of the given type, and only when not ok") {
  const std::vector<std::int64_t> shape{2, 3};
  CHECK_NOTHROW(require<ShapeError>(true, "never {}", 1));
  CHECK_THROWS_WITH_AS(require<ShapeError>(false, "op: x: expected {}, got {}", 4, shape),
                       "op: x: expected 4, got [2, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(require<IoError>(false, "file"), "file", IoError);
}

TEST_CASE("mistakes of the caller are invalid arguments, wrong order is a logic error") {
  CHECK_THROWS_AS(throw ShapeError("x"), std::invalid_argument);
  CHECK_THROWS_AS(throw ValueError("x"), std::invalid_argument);
  CHECK_THROWS_AS(throw StateError("x"), std::logic_error);
  CHECK_THROWS_AS(throw IoError("x"), std::runtime_error);
}
