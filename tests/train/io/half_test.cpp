#include "train/io/half.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace resgrad {
namespace {

TEST_CASE("float16: the values of the standard's examples") {
  CHECK(from_float16(0x3c00) == 1);
  CHECK(from_float16(0xc000) == -2);
  CHECK(from_float16(0x3555) == 1365.F / 4096);         // nearest to 1 / 3
  CHECK(from_float16(0x7bff) == 65504);                 // the largest
  CHECK(from_float16(0x0400) == std::ldexp(1.F, -14));  // the smallest normal one
  CHECK(from_float16(0x03ff) == std::ldexp(1023.F, -24));
  CHECK(from_float16(0x8001) == -std::ldexp(1.F, -24));  // the smallest of all
  CHECK(from_float16(0x0000) == 0);
  CHECK(std::signbit(from_float16(0x8000)));
  CHECK(from_float16(0xfc00) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(from_float16(0x7e00)));
}

TEST_CASE("float16: values rise with their bits") {
  for (std::uint16_t bits = 0; bits < 0x7c00; ++bits) {
    REQUIRE(from_float16(bits) < from_float16(static_cast<std::uint16_t>(bits + 1)));
  }
}

TEST_CASE("bfloat16 is the upper half of a float") {
  CHECK(from_bfloat16(0x3f80) == 1);
  CHECK(from_bfloat16(0xc049) == std::bit_cast<float>(0xc0490000U));  // -3.140625
  CHECK(from_bfloat16(0x0001) == std::bit_cast<float>(0x00010000U));
  CHECK(std::isnan(from_bfloat16(0x7fc0)));
}

}  // namespace
}  // namespace resgrad
