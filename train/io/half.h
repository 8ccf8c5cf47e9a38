// Floating numbers of 16 bits, which files of other programs have.
#pragma once

#include <cstdint>

namespace resgrad {

/// The value of a number in IEEE 754's binary16 (1 sign, 5 exponent, 10 fraction bits), exactly.
float from_float16(std::uint16_t bits);

/// The value of a bfloat16, the upper half of a float, exactly.
float from_bfloat16(std::uint16_t bits);

}  // namespace resgrad
