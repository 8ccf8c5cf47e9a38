// The exponential moving average of a network's weights.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/module.h"

namespace resgrad {

/// Keeps an average of all parameters and floating buffers (running statistics) of a network:
///   a = w before the first update, then after each  a = d * a + (1 - d) * w
///   d = min(decay, (1 + t) / (10 + t))              with t updates before this one
/// so that the random start is soon forgotten. Integer buffers are copied.
/// Source  Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; the
///         ramp of d is that of tf.train.ExponentialMovingAverage.
class Ema {
 public:
  /// Starts with the present values of `net`, which must outlive it.
  /// Throws  ValueError unless decay is at least 0 and below 1.
  Ema(const Module& net, double decay);

  /// Takes in the present values of the network, after an update with `updates` before it.
  void update(std::int64_t updates);

  /// The averages under the names of Module::state_dict(). The tensors are the average's own.
  const std::vector<NamedTensor>& state() const { return averages_; }
  /// Copies averages by name.
  /// Throws  as copy_state().
  void load_state(const std::vector<NamedTensor>& state);

  /// While it lives, the network holds the averages, to be evaluated: values change places.
  class Applied {
   public:
    /// Throws  StateError when dtype or layout of a tensor of the network changed meanwhile.
    explicit Applied(Ema& ema);
    ~Applied() { ema_.swap(); }
    Applied(const Applied&) = delete;
    Applied& operator=(const Applied&) = delete;

   private:
    Ema& ema_;
  };

 private:
  void swap();

  double decay_;
  std::vector<NamedTensor> values_, averages_;  // of the network, and ours, in the same order
};

}  // namespace resgrad
