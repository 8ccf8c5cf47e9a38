// Where a forward pass writes, and what is done to its results before.
#pragma once

#include <cstdint>

#include "core/kernels/conv2d/epilogue.h"
#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

struct Output {
  float* y = nullptr;
  Conv2dEpilogue epilogue = {};
};

RESGRAD_INLINE bool is_plain(const Conv2dEpilogue& e) {
  return e.bias == nullptr && e.residual == nullptr && !e.relu;
}

/// The output from channel c on, or from an element at which a channel c = 0 lies.
RESGRAD_INLINE Output from_channel(const Output& o, std::int64_t c, std::int64_t element = 0) {
  const Conv2dEpilogue& e = o.epilogue;
  return {o.y + element + c,
          {e.bias == nullptr ? nullptr : e.bias + c,
           e.residual == nullptr ? nullptr : e.residual + element + c, e.relu}};
}

/// Stores results as they are.
struct StorePlain {
  void operator()(float* to, std::int64_t offset, Vector v) const { store(to + offset, v); }
};

/// Stores results of one vector of channels, `offset` floats behind the first of them.
struct StoreFinished {
  explicit StoreFinished(const Conv2dEpilogue& e)
      : bias(e.bias == nullptr ? Vector{} : load(e.bias)), residual(e.residual), relu(e.relu) {}
  void operator()(float* to, std::int64_t offset, Vector v) const {
    v += bias;
    if (residual != nullptr) v += load(residual + offset);
    if (relu) v = v < Vector{} ? Vector{} : v;
    store(to + offset, v);
  }
  Vector bias;
  const float* residual;
  bool relu;
};

}  // namespace resgrad::kernels::RESGRAD_ISA
