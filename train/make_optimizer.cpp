#include "train/make_optimizer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/check.h"
#include "core/text.h"
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

// "stage1" of "stage1.0.conv1.weight"
std::string child_of(const NamedTensor& p) {
  return p.name.substr(0, p.name.find('.'));
}

std::pair<std::string, double> parse_lr_scale(const std::string& text) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const auto factor = number_in<double>(text.substr(std::min(equals + 1, text.size())));
  require<ValueError>(
      factor && std::isfinite(*factor) && *factor > 0,
      "train: lr_scale: expected a part of the network and a factor above 0, such as fc=10, got {}",
      text);
  return {text.substr(0, equals), *factor};
}

// Factors of the learning rate by the children of the network that hold the parameters.
std::map<std::string, double> lr_scales(const std::vector<NamedTensor>& parameters,
                                        const std::vector<std::string>& texts) {
  std::vector<std::string> children;
  for (const NamedTensor& p : parameters) {
    if (children.empty() || children.back() != child_of(p)) children.push_back(child_of(p));
  }
  std::map<std::string, double> scales;
  for (const std::string& text : texts) {
    const auto& [child, factor] = parse_lr_scale(text);
    require<ValueError>(std::ranges::find(children, child) != children.end(),
                        "train: lr_scale: expected a part of the network ({}), got {}",
                        fmt::join(children, ", "), text);
    require<ValueError>(scales.emplace(child, factor).second,
                        "train: lr_scale: expected each part once, got {} twice", child);
  }
  return scales;
}

// A group for each parameter.
std::vector<ParameterGroup> make_groups(const std::vector<NamedTensor>& parameters,
                                        const RunOptions& o) {
  const std::map<std::string, double> scales = lr_scales(parameters, o.lr_scale);
  std::vector<ParameterGroup> groups;
  for (const NamedTensor& p : parameters) {
    ParameterGroup& group = groups.emplace_back();
    group.parameters = {p};
    if (o.no_norm_decay && p.tensor.rank() <= 1) group.weight_decay = 0;
    if (const auto found = scales.find(child_of(p)); found != scales.end()) {
      group.lr_scale = found->second;
    }
    if (o.norm_bias_lr_scale != 1 && is_norm_bias(p, parameters)) {
      group.lr_scale *= o.norm_bias_lr_scale;
      group.weight_decay = o.no_norm_decay ? 0 : o.weight_decay / o.norm_bias_lr_scale;
    }
  }
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
                           .min_lr = o.min_lr,
                           .rise_share = *o.lr_rise_share,
                           .start_factor = *o.lr_start_factor,
                           .end_factor = *o.lr_end_factor,
                           .momentum_cycle = base_momentum(o) == 0 ? 0 : o.momentum_cycle};
  validate(schedule);
  return schedule;
}

}  // namespace resgrad
