#include "train/io/half.h"

#include <bit>
#include <cmath>

namespace resgrad {

float from_float16(std::uint16_t bits) {
  constexpr int kFractionBits = 10, kBias = 15, kSpecial = 31;
  const int exponent = bits >> kFractionBits & 31;
  const auto fraction = static_cast<std::uint32_t>(bits & 1023);
  const std::uint32_t sign = static_cast<std::uint32_t>(bits >> 15) << 31;
  if (exponent == kSpecial) {  // infinity and NaN, whose fraction keeps its place
    return std::bit_cast<float>(sign | 0x7f800000U | fraction << 13);
  }
  const float size =
      exponent == 0
          ? std::ldexp(static_cast<float>(fraction), 1 - kBias - kFractionBits)
          : std::ldexp(static_cast<float>(1024 + fraction), exponent - kBias - kFractionBits);
  return sign != 0 ? -size : size;
}

float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace resgrad
