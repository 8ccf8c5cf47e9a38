// Recomputation: a module that keeps nothing but its input for backward (checkpointing).
#pragma once

#include <functional>

#include "nn/module.h"

namespace resgrad {

/// y = forward(x), where `forward` is the work of `module`. Nothing that it computes is kept; its
/// backward runs it once more, with recording, and then backward through what was recorded. The
/// price is one more forward pass. Results and gradients are the same bits: the second
/// run starts from the buffers of the first, which hold the places in random numbers, and what is
/// in train mode changes; they are put back after it. A hook on a parameter that is also used
/// elsewhere is called for the part of this module by itself.
/// Throws  StateError in backward when a parameter (of a module in evaluation mode: or a
///         buffer) was changed in place since, a module put into the other mode, or the second run
///         gives another output, since a module keeps a state outside its buffers. A module that no
///         shared_ptr owns must outlive the graph.
/// Source  Chen et al. 2016, arXiv:1604.06174.
/// Grad    of x and of the parameters of `module`, which must be all that `forward` uses.  Saves x
///         and, where something is in train mode, copies of the buffers.
/// Differs  the caller chooses what is recomputed.
Tensor recompute(Module& module, std::function<Tensor(const Tensor&)> forward, const Tensor& x);

/// Lets calls of `module` go through recompute(), or straight to its forward() again.
void set_recompute(Module& module, bool value);

}  // namespace resgrad
