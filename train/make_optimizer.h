// The optimiser and the schedule that a run asks for.
#pragma once

#include <memory>

#include "train/optim/optimizer.h"
#include "train/optim/schedule.h"
#include "train/run_options.h"

namespace resgrad {

/// Sgd or Adamw for all `parameters`, those of rank 0 and 1 without decay if options.no_norm_decay.
/// The biases of norms (those beside a weight of rank 1) learn at norm_bias_lr_scale times the
/// rate, with the decay divided by it, as arXiv:2404.00498, section 3.3, does. options.lr_scale
/// multiplies the rate of the parameters below the children that it names; decay follows the rate.
/// Throws  ValueError when options.optimizer or a child in lr_scale is unknown, a setting is out of range, or one that
///         belongs to the other optimiser is not at its default.
std::unique_ptr<Optimizer> make_optimizer(const std::vector<NamedTensor>& parameters,
                                          const RunOptions& options);

/// What the momentum of a schedule starts from: SGD's momentum or AdamW's beta1.
double base_momentum(const RunOptions& options);

/// How learning rate and momentum change. The schedule spans all epochs, wherever max_steps ends
/// the run: a run that is cut short is the beginning of the whole one.
/// Throws  ValueError as validate().
ScheduleOptions make_schedule(const RunOptions& options, std::int64_t steps_per_epoch);

}  // namespace resgrad
