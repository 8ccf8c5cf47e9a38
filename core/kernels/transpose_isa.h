// Transposing in registers.
#pragma once

#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

template <int... lane>
struct LaneList {};

template <int n, int... lane>
struct AllLanes : AllLanes<n - 1, n - 1, lane...> {};

template <int... lane>
struct AllLanes<0, lane...> {
  using List = LaneList<lane...>;
};

// Of two rows of a square that are kStep apart, exchanges the blocks of kStep lanes that lie
// beside the diagonal.
template <int kStep, int... lane>
RESGRAD_INLINE void exchange(Vector& a, Vector& b, LaneList<lane...>) {
  constexpr int kCount = kLanes;
  const Vector first =
      __builtin_shufflevector(a, b, ((lane & kStep) != 0 ? kCount + lane - kStep : lane)...);
  b = __builtin_shufflevector(a, b, ((lane & kStep) != 0 ? kCount + lane : lane + kStep)...);
  a = first;
}

/// Transposes a square: lane j of row i and lane i of row j change places. First blocks of half its
/// size, then of a quarter, and so on.
template <int kStep = kLanes / 2>
RESGRAD_INLINE void transpose(Vector (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & kStep) == 0) exchange<kStep>(rows[i], rows[i + kStep], AllLanes<kLanes>::List());
  }
  if constexpr (kStep > 1) transpose<kStep / 2>(rows);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
