// Backward: runs the graph from a tensor to the leaves.
//
// The rule of accumulation, in one place: kernels overwrite, the engine adds (a tensor that was
// used twice, such as the input of a residual block, gets the sum), Tensor::zero_grad() resets.
#pragma once

#include "core/tensor.h"

namespace resgrad {

/// Adds the gradient of `root`, weighted by `dy`, to grad() of every leaf that `root` depends on.
/// Each gradient is checked once, when it reaches the node that takes it. Saved tensors are freed
/// as soon as they were used, unless options.retain_graph. Nothing is recursive; a node may run a
/// backward of its own on another graph.
/// Throws  ShapeError or ValueError for a gradient of wrong shape or dtype, StateError when `root`
///         requires no gradient, its graph was freed by an earlier call, or a saved tensor was
///         changed in place since.
void run_backward(const Tensor& root, const Tensor& dy, BackwardOptions options);

}  // namespace resgrad
