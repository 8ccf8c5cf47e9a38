#include "core/shape.h"

#include <doctest/doctest.h>

#include "core/check.h"

using namespace resgrad;

using Strides = std::vector<std::int64_t>;

TEST_CASE("numel is the product of the sizes") {
  CHECK(numel({}) == 1);
  CHECK(numel({2, 3, 4}) == 24);
  CHECK(numel({2, 0, 4}) == 0);
}

TEST_CASE("strides follow the memory format") {
  CHECK(strides_of({2, 3, 4, 5}, MemoryFormat::contiguous) == Strides{60, 20, 5, 1});
  CHECK(strides_of({2, 3, 4, 5}, MemoryFormat::channels_last) == Strides{60, 1, 15, 3});
  CHECK(strides_of({}, MemoryFormat::contiguous).empty());
  CHECK(strides_of({7}, MemoryFormat::contiguous) == Strides{1});
}

TEST_CASE("axes count from either end and stay in range") {
  CHECK(normalise_axis("op", 0, 3) == 0);
  CHECK(normalise_axis("op", -1, 3) == 2);
  CHECK(normalise_axis("op", -3, 3) == 0);
  CHECK_THROWS_WITH_AS(normalise_axis("op", 3, 3), "op: axis: expected [-3, 3), got 3", ShapeError);
  CHECK_THROWS_WITH_AS(normalise_axis("op", -4, 3), "op: axis: expected [-3, 3), got -4",
                       ShapeError);
  CHECK_THROWS_AS(normalise_axis("op", 0, 0), ShapeError);
}

TEST_CASE("shapes broadcast as in NumPy") {
  CHECK(broadcast_shapes("op", {2, 3}, {2, 3}) == Shape{2, 3});
  CHECK(broadcast_shapes("op", {2, 3}, {3}) == Shape{2, 3});
  CHECK(broadcast_shapes("op", {2, 1}, {1, 3}) == Shape{2, 3});
  CHECK(broadcast_shapes("op", {}, {4, 1}) == Shape{4, 1});
  CHECK(broadcast_shapes("op", {0, 3}, {1, 3}) == Shape{0, 3});
  CHECK(broadcast_shapes("op", {1}, {0}) == Shape{0});
  CHECK_THROWS_WITH_AS(broadcast_shapes("add", {2, 3}, {2, 4}),
                       "add: shapes: expected sizes that are equal or 1, got [2, 3] and [2, 4]",
                       ShapeError);
  CHECK_THROWS_AS(broadcast_shapes("add", {0}, {2}), ShapeError);
}

TEST_CASE("memory formats have names") {
  CHECK(name(MemoryFormat::contiguous) == "contiguous");
  CHECK(name(MemoryFormat::channels_last) == "channels_last");
}
