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

TEST_CASE("a number is all of its text, and fits its type") {
  CHECK(number_in<int>("-12") == -12);
  CHECK(number_in<double>("2.5e-1") == 0.25);
  CHECK(number_in<std::int8_t>("127") == 127);
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "0x1", "1.5", "128"}) {
    CAPTURE(text);
    CHECK_FALSE(number_in<std::int8_t>(text).has_value());
  }
  CHECK_FALSE(number_in<double>("1,5").has_value());
  CHECK_FALSE(number_in<double>("1e999").has_value());
}

TEST_CASE("a message names five of many") {
  CHECK(some_of({}, ", ").empty());
  CHECK(some_of({"a"}, ", ") == "a");
  CHECK(some_of({"a", "b", "c", "d", "e"}, "; ") == "a; b; c; d; e");
  CHECK(some_of({"a", "b", "c", "d", "e", "f", "g"}, ", ") == "a, b, c, d, e and 2 more");
  CHECK(some_of({"a", "b", "c", "d", "e", "f"}, "\n  ") == "a\n  b\n  c\n  d\n  e\n  and 1 more");
}
