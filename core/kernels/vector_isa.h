// The float vector of the instruction set that a file *_isa.cpp is compiled for, with the
// compilers' vector extensions: the arithmetic operators work on it, and a * b + c becomes one
// instruction where the set has fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#define RESGRAD_INLINE [[gnu::always_inline]] static inline

namespace resgrad::kernels::RESGRAD_ISA {

#if defined(__AVX512F__)
constexpr std::int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr std::int64_t kLanes = 8;
#else
constexpr std::int64_t kLanes = 4;
#endif

typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));

// The same in memory that is aligned to a float only.
typedef float UnalignedVector
    __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(float)), may_alias));

RESGRAD_INLINE Vector load(const float* p) {
  return *reinterpret_cast<const UnalignedVector*>(p);
}

RESGRAD_INLINE void store(float* p, Vector v) {
  *reinterpret_cast<UnalignedVector*>(p) = v;
}

// All lanes x: the compilers turn a load and this into one broadcasting load.
RESGRAD_INLINE Vector broadcast(float x) {
  return x - Vector{};
}

// Copies `count` floats, which may be any number.
RESGRAD_INLINE void copy(float* to, const float* from, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, load(from + i));
  for (; i < count; ++i) to[i] = from[i];
}

RESGRAD_INLINE void fill_zero(float* to, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, Vector{});
  for (; i < count; ++i) to[i] = 0;
}

}  // namespace resgrad::kernels::RESGRAD_ISA
