// Batch norm and ReLU on vectors that are loaded: see conv2d/input.h. What is computed must be the
// same bits wherever it is computed, since backward decides by it again what the ReLU let through.
#pragma once

#include "core/kernels/conv2d/input.h"
#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

/// relu((x - mean) * scale + shift) for V = a vector or one element; NaN stays NaN.
template <class V>
RESGRAD_INLINE V norm_relu(V x, V mean, V scale, V shift) {
  const V v = (x - mean) * scale + shift;
  return v < V{} ? V{} : v;
}

/// What is done to vectors of pixels after loading.
struct Plain {
  static constexpr bool kMovesZero = false;
  Vector operator()(Vector x) const { return x; }
};

struct NormRelu {
  static constexpr bool kMovesZero = true;  // so that zeros of the padding must be set after it
  Vector operator()(Vector x) const { return norm_relu(x, mean, scale, shift); }
  Vector mean, scale, shift;
};

/// The normalisation of the channels from c on.
RESGRAD_INLINE NormRelu norm_relu_from(const Normalisation<float>& norm, std::int64_t c) {
  return {load(norm.mean + c), load(norm.scale + c), load(norm.shift + c)};
}

/// The input from channel c on: what a group reads.
RESGRAD_INLINE Conv2dInput<float> from_channel(const Conv2dInput<float>& x, std::int64_t c) {
  if (x.norm.scale == nullptr) return {x.x + c};
  return {x.x + c, {x.norm.mean + c, x.norm.scale + c, x.norm.shift + c}};
}

/// to = relu((from - mean) * scale + shift) for `count` channels from c on, which may be any
/// number.
RESGRAD_INLINE void copy_norm_relu(float* to, const float* from, const Normalisation<float>& norm,
                                   std::int64_t c, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    store(to + i, norm_relu_from(norm, c + i)(load(from + i)));
  for (; i < count; ++i) {
    to[i] = norm_relu(from[i], norm.mean[c + i], norm.scale[c + i], norm.shift[c + i]);
  }
}

}  // namespace resgrad::kernels::RESGRAD_ISA
