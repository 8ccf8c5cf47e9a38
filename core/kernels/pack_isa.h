// Loops over arrays of T = float or double that are written once for whole vectors and for the
// elements that remain: the body is a lambda over the type V of what it computes, Pack<T> or T.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

template <class T>
struct PackOf {
  typedef T type __attribute__((vector_size(kLanes * sizeof(float))));
  typedef T unaligned
      __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(T)), may_alias));
};

/// As many T as a vector register holds.
template <class T>
using Pack = typename PackOf<T>::type;

template <class T>
constexpr std::int64_t kPackLanes = static_cast<std::int64_t>(sizeof(Pack<T>) / sizeof(T));

template <class V, class T>
RESGRAD_INLINE V get(const T* p) {
  if constexpr (sizeof(V) == sizeof(T)) {
    return *p;
  } else {
    return *reinterpret_cast<const typename PackOf<T>::unaligned*>(p);
  }
}

template <class V, class T>
RESGRAD_INLINE void put(T* p, V v) {
  if constexpr (sizeof(V) == sizeof(T)) {
    *p = v;
  } else {
    *reinterpret_cast<typename PackOf<T>::unaligned*>(p) = v;
  }
}

/// The same past the caches, without bringing in what is overwritten, for vectors at multiples of
/// their size. finish_streaming() must follow before other threads read.
template <class V, class T>
RESGRAD_INLINE void stream(T* p, V v) {
  if constexpr (sizeof(V) == sizeof(T)) {
    *p = v;
  } else {
#if defined(__AVX512F__)
    _mm512_stream_ps(reinterpret_cast<float*>(p), reinterpret_cast<__m512>(v));
#elif defined(__AVX2__)
    _mm256_stream_ps(reinterpret_cast<float*>(p), reinterpret_cast<__m256>(v));
#elif defined(__SSE2__)
    _mm_stream_ps(reinterpret_cast<float*>(p), reinterpret_cast<__m128>(v));
#else
    put<V>(p, v);
#endif
  }
}

RESGRAD_INLINE void finish_streaming() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

/// Whether a result of `bytes` at p is one to stream: it would have left the caches before it is
/// read again, and every vector from p on is aligned.
RESGRAD_INLINE bool worth_streaming(const void* p, std::int64_t bytes) {
  constexpr std::int64_t kLarge = 16 << 20;
  return bytes >= kLarge && reinterpret_cast<std::uintptr_t>(p) % (kLanes * sizeof(float)) == 0;
}

template <bool kStream, class V, class T>
RESGRAD_INLINE void put_or_stream(T* p, V v) {
  if constexpr (kStream) {
    stream<V>(p, v);
  } else {
    put<V>(p, v);
  }
}

/// Calls f.operator()<V>(i) for i = 0 .. n, in steps of the size of V.
template <class T, class F>
RESGRAD_INLINE void for_each_pack(std::int64_t n, const F& f) {
  std::int64_t i = 0;
  for (; i + kPackLanes<T> <= n; i += kPackLanes<T>) f.template operator()<Pack<T>>(i);
  for (; i < n; ++i) f.template operator()<T>(i);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
