// Gradient clipping.
#pragma once

#include "nn/module.h"

namespace resgrad {

/// Sum of squares of the elements of a floating tensor, in double.
double squared_norm(const Tensor& t);

/// Scales all gradients in place by min(1, max_norm / (norm + 1e-6)), where norm is the Euclidean
/// norm of all of them together; parameters without a gradient are left out. Returns that norm, as
/// it was before. No memory is allocated.
/// Throws  ValueError unless max_norm is finite and above 0; StateError when the norm is not
///         finite: nothing is changed then.
/// Source  Pascanu et al. 2013, arXiv:1211.5063, Algorithm 1; the 1e-6 is that of
///         torch.nn.utils.clip_grad_norm_ 1.13.
double clip_grad_norm(const std::vector<NamedTensor>& parameters, double max_norm);

}  // namespace resgrad
