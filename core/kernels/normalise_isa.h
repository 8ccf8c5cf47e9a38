// Batch norm and ReLU on vectors that are loaded: see conv2d_input.h. What is computed must be the
// same bits wherever it is computed, since backward decides by it again what the ReLU let through.
#pragma once

#include "core/kernels/conv2d_input.h"
#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

/// relu(scale * x + shift) for V = a vector or one element; NaN stays NaN.
template <class V>
RESGRAD_INLINE V normalise(V x, V scale, V shift) {
  const V v = x * scale + shift;
  return v < V{} ? V{} : v;
}

/// What is done to vectors of pixels after loading.
struct Plain {
  static constexpr bool kMovesZero = false;
  Vector operator()(Vector x) const { return x; }
};

struct Normalise {
  static constexpr bool kMovesZero = true;  // so that zeros of the padding must be set after it
  Vector operator()(Vector x) const { return normalise(x, scale, shift); }
  Vector scale, shift;
};

/// to = relu(scale * from + shift) for `count` floats, which may be any number.
RESGRAD_INLINE void copy_normalised(float* to, const float* from, const float* scale,
                                    const float* shift, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    store(to + i, normalise(load(from + i), load(scale + i), load(shift + i)));
  }
  for (; i < count; ++i) to[i] = normalise(from[i], scale[i], shift[i]);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
