#include "core/ops/require.h"

#include <doctest/doctest.h>

using namespace resgrad;

TEST_CASE("requirements pass or name the operation, the argument and what was expected") {
  const Tensor t = Tensor::zeros({2, 3});
  CHECK_NOTHROW(require_rank("op", "x", t, 2));
  CHECK_NOTHROW(require_shape("op", "x", t, {-1, 3}));
  CHECK_NOTHROW(require_dtype("op", "x", t, DType::float32));
  CHECK_NOTHROW(require_floating("op", "x", t));
  CHECK_THROWS_WITH_AS(require_rank("op", "x", t, 4), "op: x: expected rank 4, got shape [2, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(require_shape("op", "x", t, {-1, 4}), "op: x: expected [*, 4], got [2, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(require_shape("op", "x", t, {6}), "op: x: expected [6], got [2, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(require_dtype("op", "x", t, DType::int64),
                       "op: x: expected dtype int64, got float32", ValueError);
  CHECK_THROWS_WITH_AS(require_floating("op", "x", Tensor::zeros({1}, DType::int64)),
                       "op: x: expected a floating dtype, got int64", ValueError);
}

TEST_CASE("an option that is a size has a least value and stays below 2^31") {
  CHECK_NOTHROW(require_size("op", "groups", 1, 1));
  CHECK_NOTHROW(require_size("op", "stride", Pair2d(1, 2147483647), 1));
  CHECK_THROWS_WITH_AS(require_size("op", "groups", 0, 1),
                       "op: groups: expected 1 to 2147483647, got 0", ValueError);
  CHECK_THROWS_WITH_AS(require_size("op", "padding", Pair2d(0, -1), 0),
                       "op: padding: expected 0 to 2147483647, got (0, -1)", ValueError);
  CHECK_THROWS_WITH_AS(require_size("op", "padding", Pair2d(2147483648, 0), 0),
                       "op: padding: expected 0 to 2147483647, got (2147483648, 0)", ValueError);
}

TEST_CASE("a pattern shows free sizes as stars") {
  CHECK(shape_pattern({}) == "[]");
  CHECK(shape_pattern({-1, 4, 0}) == "[*, 4, 0]");
}
