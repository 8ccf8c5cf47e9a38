// Initialisers of weights.
//
// A module draws from the generator of the InitScope that is alive, keyed by the scope's seed and
// the running number of the weight within it, so that a network is a function of its seed.
#pragma once

#include <cstdint>

#include "core/scoped_value.h"
#include "core/tensor.h"

namespace resgrad::init {

/// While it is alive, weights initialised in this thread are drawn from `seed`, the first weight
/// from sequence 0, the next from sequence 1 and so on. Without one, the seed is 0 and the count
/// runs on. With `skip`, weights stay uninitialised: for networks whose shapes alone matter or
/// whose weights are loaded.
class InitScope {
 public:
  explicit InitScope(std::uint64_t seed, bool skip = false);

  struct State {
    std::uint64_t seed = 0, count = 0;  ///< count: of the weights that were drawn
    bool skip = false;
  };

 private:
  ScopedValue<State> state_;
};

/// A seed for a module that draws random numbers of its own, from the sequence that the next weight
/// would be drawn from.
std::uint64_t draw_seed();

/// Number of inputs that meet in one output of a weight [out, in, k_h, k_w] or [out, in].
/// Throws  ShapeError for rank below 2.
std::int64_t fan_in(const Tensor& weight);

/// Normal with mean 0 and the given standard deviation.
void normal_(Tensor weight, double std);
/// Uniform in [-bound, bound).
void uniform_(Tensor weight, double bound);

/// Normal with standard deviation sqrt(2 / fan_in), for layers that a ReLU follows.
/// Source  He et al. 2015, arXiv:1502.01852, equation 10.
void he_normal_fan_in_(Tensor weight);

/// Makes the first filters of a convolution pass a channel on: filter i of each group becomes 1 in
/// the middle of channel i of the group and 0 elsewhere, for as many as there are channels or
/// filters. The other filters keep their values.
/// Shapes  weight [c_out, c_in / groups, k_h, k_w].
/// Throws  ShapeError unless the rank is 4, ValueError for an even kernel, or groups that do not
///         divide c_out.
/// Source  Zagoruyko & Komodakis 2017, arXiv:1706.00388 (DiracNets), as Jordan 2024,
///         arXiv:2404.00498, section 3.3, initialises with it.
void dirac_(Tensor weight, std::int64_t groups = 1);

}  // namespace resgrad::init
