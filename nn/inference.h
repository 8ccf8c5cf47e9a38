// Running a network for its outputs alone: norms folded into convolutions, weights prepared once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/ops/prepared_conv2d.h"
#include "nn/batch_norm2d.h"
#include "nn/conv2d.h"
#include "nn/module.h"

namespace resgrad {

/// What is kept of the layers of a network between calls.
class PreparedLayers {
 public:
  /// The ones that the modules of this thread may use; null outside of a call of InferenceNet.
  static PreparedLayers* active();

  /// The convolution, with the norm behind it (if that is not null) folded in. Made again when the
  /// weights or statistics have changed since.
  PreparedConv2d& get(const Conv2d& conv, BatchNorm2d* norm);
  /// Of all weights that are kept beside those of the network.
  std::size_t bytes() const;

 private:
  struct Layer {
    std::vector<std::pair<Tensor, std::uint64_t>> made_of;  // and the versions that they had
    std::size_t folded_bytes = 0;
    std::unique_ptr<PreparedConv2d> conv = nullptr;
  };
  std::map<std::pair<const Module*, const Module*>, Layer> layers_;
};

/// A network in evaluation mode, for many calls without gradients. Convolutions of float32
/// activations that stand in a Sequential, the main path or the shortcut of a residual block are
/// computed by weights that are transformed or packed at the first call and kept. A BatchNorm2d
/// right behind one, in evaluation mode, is folded into its weights; a ReLU behind that, and the
/// addition at the end of a block, are done as the result is stored; a BatchNorm2d and a ReLU
/// before one, as its input is loaded. Everything else runs as it always does, also what is in
/// train mode.
/// The outputs are those of the network up to rounding, the same bits for any number of threads.
/// Weights and statistics that change (by an optimiser, load_state_dict() or anything that counts
/// versions) are taken up at the next call.
/// Memory  bytes(): for each convolution a folded copy and one form for each engine that the sizes
///         of the inputs lead to; that of `winograd` is 4 times the weights, with stride 2 11
///         times, that of `direct` once.
class InferenceNet {
 public:
  /// `net` must outlive it and keep its layers.
  explicit InferenceNet(Module& net) : net_(&net) {}

  /// As calling the network in a NoGradGuard.
  Tensor operator()(const Tensor& x);
  std::size_t bytes() const { return layers_.bytes(); }

 private:
  Module* net_;
  PreparedLayers layers_;
};

/// Puts `net` into evaluation mode and makes it ready for many calls.
InferenceNet prepare_inference(Module& net);

}  // namespace resgrad
