// Initialisers of weights.
//
// A module draws from the generator of the InitScope that is alive, keyed by the scope's seed and
// the running number of the weight within it, so that a network is a function of its seed.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace resgrad::init {

/// While it is alive, weights initialised in this thread are drawn from `seed`, the first weight
/// from sequence 0, the next from sequence 1 and so on. Without one, the seed is 0 and the count
/// runs on. With `skip`, weights stay uninitialised: for networks whose shapes alone matter or
/// whose weights are loaded.
class InitScope {
 public:
  explicit InitScope(std::uint64_t seed, bool skip = false);
  ~InitScope();
  InitScope(const InitScope&) = delete;
  InitScope& operator=(const InitScope&) = delete;

 private:
  std::uint64_t seed_, count_;
  bool skip_;
};

/// Number of inputs / outputs that meet in one weight: [out, in, k_h, k_w] or [out, in].
std::int64_t fan_in(const Tensor& weight);
std::int64_t fan_out(const Tensor& weight);

/// Normal with mean 0 and the given standard deviation.
void normal_(Tensor weight, double std);
/// Uniform in [-bound, bound).
void uniform_(Tensor weight, double bound);

/// Normal with standard deviation sqrt(2 / fan), for layers that a ReLU follows.
/// Source  He et al. 2015, arXiv:1502.01852, equations 10 (fan in) and 14 (fan out).
void he_normal_fan_in_(Tensor weight);
void he_normal_fan_out_(Tensor weight);
/// Uniform with the same standard deviations: bound sqrt(6 / fan).
void he_uniform_fan_in_(Tensor weight);
void he_uniform_fan_out_(Tensor weight);

}  // namespace resgrad::init
