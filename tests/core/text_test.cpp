#include "core/text.h"

#include <doctest/doctest.h>

using namespace resgrad;

TEST_CASE("a text is split between separators, with empty parts") {
  using Parts = std::vector<std::string_view>;
  CHECK(split("a,,b", ',') == Parts{"a", "", "b"});
  CHECK(split(",a,", ',') == Parts{"", "a", ""});
  CHECK(split("", ',') == Parts{""});
  CHECK(split("stem.0.weight", '.') == Parts{"stem", "0", "weight"});
}

TEST_CASE("a message names five of many") {
  CHECK(some_of({}, ", ").empty());
  CHECK(some_of({"a"}, ", ") == "a");
  CHECK(some_of({"a", "b", "c", "d", "e"}, "; ") == "a; b; c; d; e");
  CHECK(some_of({"a", "b", "c", "d", "e", "f", "g"}, ", ") == "a, b, c, d, e and 2 more");
  CHECK(some_of({"a", "b", "c", "d", "e", "f"}, "\n  ") == "a\n  b\n  c\n  d\n  e\n  and 1 more");
}
