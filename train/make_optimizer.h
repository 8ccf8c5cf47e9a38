// The optimiser that a run asks for.
#pragma once

#include <memory>

#include "train/optim/optimizer.h"
#include "train/run_options.h"

namespace resgrad {

/// Sgd or Adamw for all `parameters`, those of rank 0 and 1 without decay if options.no_norm_decay.
/// Throws  ValueError when options.optimizer is unknown, a setting is out of range, or one that
///         belongs to the other optimiser is not at its default.
std::unique_ptr<Optimizer> make_optimizer(const std::vector<NamedTensor>& parameters,
                                          const RunOptions& options);

/// What the momentum of a schedule starts from: SGD's momentum or AdamW's beta1.
double base_momentum(const RunOptions& options);

}  // namespace resgrad
