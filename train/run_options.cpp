#include "train/run_options.h"

#include <nlohmann/json.hpp>

#include "train/version.h"

namespace resgrad {

std::string to_json(const RunOptions& o) {
  const nlohmann::ordered_json json = {
      {"version", kVersion},
      {"model", o.model},
      {"activation", o.activation},
      {"shortcut", o.shortcut},
      {"stem", o.stem},
      {"zero_init_residual", o.zero_init_residual},
      {"dataset", o.dataset},
      {"data_path", o.data_path},
      {"val_split", o.val_split},
      {"no_augment", o.no_augment},
      {"cutout", o.cutout},
      {"workers", o.workers},
      {"epochs", o.epochs},
      {"max_steps", o.max_steps},
      {"batch_size", o.batch_size},
      {"lr", o.lr},
      {"momentum", o.momentum},
      {"momentum_cycle", o.momentum_cycle},
      {"dampening", o.dampening},
      {"nesterov", o.nesterov},
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
      {"seed", o.seed},
      {"threads", o.threads},
      {"conv_engine", o.conv_engine},
      {"isa", o.isa},
      {"output_dir", o.output_dir},
      {"print_freq", o.print_freq},
      {"quiet", o.quiet},
      {"profile", o.profile},
      {"log_norms", o.log_norms},
      {"overfit_batch", o.overfit_batch},
      {"limit_train_batches", o.limit_train_batches},
      {"limit_eval_batches", o.limit_eval_batches},
  };
  return json.dump(2) + "\n";
}

}  // namespace resgrad
