// Many blocks of Philox at a time, with the words of several in one vector.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "core/kernels/philox.h"
#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

// A word of each of several blocks, in the lower half of its lane: what multiplies reads no upper
// half, so that these may hold anything.
typedef std::uint64_t Words __attribute__((vector_size(kLanes * sizeof(float))));
constexpr std::int64_t kWordLanes = kLanes / 2;

// The products of the lower halves. The compilers do not find the instruction by themselves.
RESGRAD_INLINE Words multiply_lower(Words a, Words b) {
#if defined(__AVX512F__)
  // with a mask of all lanes, since g++ 12 warns of its own header without one
  return reinterpret_cast<Words>(
      _mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Words>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<Words>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF);
#endif
}

// words[4 b + w] = word w of block b < kBlocks, whose counter is `counter` with b added to the
// first word, as philox4x32 of one block gives it.
template <std::int64_t kBlocks>
RESGRAD_INLINE void philox4x32(std::uint32_t (&words)[4 * kBlocks], PhiloxWords counter,
                               PhiloxKey key) {
  static_assert(kBlocks % kWordLanes == 0);
  std::uint64_t pairs[2][kBlocks];  // words 0 and 1 of each block, words 2 and 3
  for (std::int64_t b = 0; b < kBlocks; b += kWordLanes) {
    Words x0, x1 = Words{} + counter.x1, x2 = Words{} + counter.x2, x3 = Words{} + counter.x3;
    for (std::int64_t i = 0; i < kWordLanes; ++i) {
      x0[i] = counter.x0 + static_cast<std::uint32_t>(b + i);
    }
    PhiloxKey k = key;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const Words p0 = multiply_lower(x0, Words{} + std::uint64_t{0xD2511F53});
      const Words p1 = multiply_lower(x2, Words{} + std::uint64_t{0xCD9E8D57});
      x0 = (p1 >> 32) ^ x1 ^ std::uint64_t{k.k0};
      x2 = (p0 >> 32) ^ x3 ^ std::uint64_t{k.k1};
      x1 = p1;
      x3 = p0;
      k.k0 += 0x9E3779B9;
      k.k1 += 0xBB67AE85;
    }
    const Words first = (x0 & 0xFFFFFFFF) | (x1 << 32), second = (x2 & 0xFFFFFFFF) | (x3 << 32);
    __builtin_memcpy(pairs[0] + b, &first, sizeof(Words));
    __builtin_memcpy(pairs[1] + b, &second, sizeof(Words));
  }
  std::uint64_t in_order[2 * kBlocks];
  for (std::int64_t b = 0; b < kBlocks; ++b) {
    in_order[2 * b] = pairs[0][b];
    in_order[2 * b + 1] = pairs[1][b];
  }
  __builtin_memcpy(words, in_order, sizeof(words));
}

}  // namespace resgrad::kernels::RESGRAD_ISA
