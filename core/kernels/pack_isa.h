// Loops over arrays of T = float or double that are written once for whole vectors and for the
// elements that remain: the body is a lambda over the type V of what it computes, Pack<T> or T.
#pragma once

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

/// Calls f.operator()<V>(i) for i = 0 .. n, in steps of the size of V.
template <class T, class F>
RESGRAD_INLINE void for_each_pack(std::int64_t n, const F& f) {
  std::int64_t i = 0;
  for (; i + kPackLanes<T> <= n; i += kPackLanes<T>) f.template operator()<Pack<T>>(i);
  for (; i < n; ++i) f.template operator()<T>(i);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
