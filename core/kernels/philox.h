// The block function of Philox4x32-10, which random.h makes sequences of: Salmon et al. 2011,
// "Parallel random numbers: as easy as 1, 2, 3".
#pragma once

#include <cstdint>

namespace resgrad::kernels {

struct PhiloxWords {
  std::uint32_t x0, x1, x2, x3;
};

struct PhiloxKey {
  std::uint32_t k0, k1;
};

/// Four random words of a counter of four. Internal to each file, since some are compiled for an
/// instruction set of their own.
[[gnu::always_inline]] static inline PhiloxWords philox4x32(PhiloxWords x, PhiloxKey key) {
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * x.x0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * x.x2;
    x = {static_cast<std::uint32_t>(p1 >> 32) ^ x.x1 ^ key.k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ x.x3 ^ key.k1, static_cast<std::uint32_t>(p0)};
    key.k0 += 0x9E3779B9;
    key.k1 += 0xBB67AE85;
  }
  return x;
}

/// A number of 53 bits from two words: a uniform one of [0, 1) is this times 2^-53.
[[gnu::always_inline]] static inline std::uint64_t uniform53(std::uint32_t a, std::uint32_t b) {
  return (std::uint64_t{a >> 5} << 26) | (b >> 6);
}

}  // namespace resgrad::kernels
