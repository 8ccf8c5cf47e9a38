#include "train/make_optimizer.h"

#include <algorithm>

#include "core/check.h"
#include "train/optim/adamw.h"
#include "train/optim/sgd.h"

namespace resgrad {
namespace {

// A setting that has no effect is most likely a mistake.
void require_default(const RunOptions& o, std::string_view setting, bool is_default) {
  require<ValueError>(is_default,
                      "train: {}: expected its default with the optimizer {}, which does not use "
                      "it, got another value",
                      setting, o.optimizer);
}

// Norms have weights of rank 1, unlike what else has a bias.
bool is_norm_bias(const NamedTensor& p, const std::vector<NamedTensor>& parameters) {
  constexpr std::string_view kBias = "bias";
  if (p.tensor.rank() != 1 || !p.name.ends_with(kBias)) return false;
  const std::string weight = p.name.substr(0, p.name.size() - kBias.size()) + "weight";
  return std::ranges::any_of(parameters, [&](const NamedTensor& other) {
    return other.name == weight && other.tensor.rank() == 1;
  });
}

std::vector<ParameterGroup> make_groups(const std::vector<NamedTensor>& parameters,
                                        const RunOptions& o) {
  ParameterGroup others, norm_biases;
  for (const NamedTensor& p : parameters) {
    const bool apart = o.norm_bias_lr_scale != 1 && is_norm_bias(p, parameters);
    (apart ? norm_biases : others).parameters.push_back(p);
  }
  norm_biases.lr_scale = o.norm_bias_lr_scale;
  norm_biases.weight_decay = o.no_norm_decay ? 0 : o.weight_decay / o.norm_bias_lr_scale;
  std::vector<ParameterGroup> groups;
  if (o.no_norm_decay) {
    groups = split_no_decay(others.parameters);
  } else if (!others.parameters.empty()) {
    groups.push_back(others);
  }
  if (!norm_biases.parameters.empty()) groups.push_back(norm_biases);
  return groups;
}

}  // namespace

double base_momentum(const RunOptions& o) {
  return o.optimizer == "adamw" ? o.beta1 : o.momentum;
}

std::unique_ptr<Optimizer> make_optimizer(const std::vector<NamedTensor>& parameters,
                                          const RunOptions& o) {
  const std::vector<ParameterGroup> groups = make_groups(parameters, o);
  const RunOptions defaults;
  if (o.optimizer == "sgd") {
    require_default(o, "beta1", o.beta1 == defaults.beta1);
    require_default(o, "beta2", o.beta2 == defaults.beta2);
    require_default(o, "eps", o.eps == defaults.eps);
    return std::make_unique<Sgd>(groups, SgdOptions{.lr = o.lr,
                                                    .momentum = o.momentum,
                                                    .dampening = o.dampening,
                                                    .weight_decay = o.weight_decay,
                                                    .nesterov = o.nesterov});
  }
  require<ValueError>(o.optimizer == "adamw", "train: optimizer: expected sgd or adamw, got {}",
                      o.optimizer);
  require_default(o, "momentum", o.momentum == defaults.momentum);
  require_default(o, "dampening", o.dampening == defaults.dampening);
  require_default(o, "nesterov", o.nesterov == defaults.nesterov);
  return std::make_unique<Adamw>(groups, AdamwOptions{.lr = o.lr,
                                                      .beta1 = o.beta1,
                                                      .beta2 = o.beta2,
                                                      .eps = o.eps,
                                                      .weight_decay = o.weight_decay});
}

ScheduleOptions make_schedule(const RunOptions& options, std::int64_t steps_per_epoch) {
  RunOptions o = options;
  resolve_schedule(o);
  ScheduleOptions schedule{.name = o.lr_scheduler,
                           .base_lr = o.lr,
                           .base_momentum = base_momentum(o),
                           .total_steps = o.epochs * steps_per_epoch,
                           .steps_per_epoch = steps_per_epoch,
                           .gamma = o.lr_gamma,
                           .step_size_epochs = o.lr_step_size,
                           .milestones = o.lr_milestones,
                           .milestones_in_iterations = o.lr_milestones_in_steps,
                           .warmup_epochs = o.lr_warmup_epochs,
                           .warmup_method = o.lr_warmup_method,
                           .warmup_factor = o.lr_warmup_factor,
                           .rise_share = *o.lr_rise_share,
                           .start_factor = *o.lr_start_factor,
                           .end_factor = *o.lr_end_factor,
                           .momentum_cycle = base_momentum(o) == 0 ? 0 : o.momentum_cycle};
  validate(schedule);
  return schedule;
}

}  // namespace resgrad
