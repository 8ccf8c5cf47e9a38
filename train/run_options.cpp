#include "train/run_options.h"

#include <array>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "train/version.h"

namespace resgrad {

namespace {

constexpr std::array kWithoutEffectOnResults = {
    "version",     "data_path", "max_steps",          "recompute",   "workers", "threads",
    "conv_engine", "isa",       "output_dir",         "print_freq",  "quiet",   "profile",
    "log_norms",   "keep",      "checkpoint_minutes", "on_nonfinite"};

nlohmann::ordered_json as_json(const RunOptions& o) {
  return {
      {"version", kVersion},
      {"model", o.model},
      {"activation", o.activation},
      {"shortcut", o.shortcut},
      {"stem", o.stem},
      {"zero_init_residual", o.zero_init_residual},
      {"recompute", o.recompute},
      {"dataset", o.dataset},
      {"data_path", o.data_path},
      {"val_split", o.val_split},
      {"no_augment", o.no_augment},
      {"cutout", o.cutout},
      {"random_erasing", o.random_erasing},
      {"mixup", o.mixup},
      {"cutmix", o.cutmix},
      {"workers", o.workers},
      {"epochs", o.epochs},
      {"max_steps", o.max_steps},
      {"batch_size", o.batch_size},
      {"accumulate", o.accumulate},
      {"optimizer", o.optimizer},
      {"lr", o.lr},
      {"momentum", o.momentum},
      {"momentum_cycle", o.momentum_cycle},
      {"dampening", o.dampening},
      {"nesterov", o.nesterov},
      {"beta1", o.beta1},
      {"beta2", o.beta2},
      {"eps", o.eps},
      {"weight_decay", o.weight_decay},
      {"no_norm_decay", o.no_norm_decay},
      {"lr_scheduler", o.lr_scheduler},
      {"lr_milestones", o.lr_milestones},
      {"lr_milestones_in_steps", o.lr_milestones_in_steps},
      {"lr_step_size", o.lr_step_size},
      {"lr_gamma", o.lr_gamma},
      {"lr_warmup_epochs", o.lr_warmup_epochs},
      {"lr_warmup_method", o.lr_warmup_method},
      {"lr_warmup_factor", o.lr_warmup_factor},
      {"label_smoothing", o.label_smoothing},
      {"clip_grad_norm", o.clip_grad_norm},
      {"ema_decay", o.ema_decay},
      {"seed", o.seed},
      {"threads", o.threads},
      {"conv_engine", o.conv_engine},
      {"isa", o.isa},
      {"output_dir", o.output_dir},
      {"checkpoint_minutes", o.checkpoint_minutes},
      {"keep", o.keep},
      {"on_nonfinite", o.on_nonfinite},
      {"print_freq", o.print_freq},
      {"quiet", o.quiet},
      {"profile", o.profile},
      {"log_norms", o.log_norms},
      {"overfit_batch", o.overfit_batch},
      {"limit_train_batches", o.limit_train_batches},
      {"limit_eval_batches", o.limit_eval_batches},
  };
}

}  // namespace

std::string to_json(const RunOptions& options) {
  const nlohmann::ordered_json json = as_json(options);
  for (const auto& [key, value] : json.items()) {
    try {
      value.dump();
    } catch (const nlohmann::json::type_error&) {
      throw ValueError(fmt::format(
          "settings: {}: expected text in UTF-8, as the record of the settings is, got {}", key,
          value.get<std::string>()));
    }
  }
  return json.dump(2) + "\n";
}

std::string result_settings(const RunOptions& options) {
  nlohmann::ordered_json json = as_json(options);
  for (const char* key : kWithoutEffectOnResults) json.erase(key);
  return json.dump();
}

}  // namespace resgrad
