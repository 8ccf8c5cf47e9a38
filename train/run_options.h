// All settings of a training run, as the command line gives them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/settings.h"

namespace resgrad {

/// Which network; empty text keeps the family's own choice.
struct NetworkOptions {
  std::string model = "resnet20";
  std::string activation = {};
  std::string shortcut = {};
  std::string stem = {};
  std::string zero_init_residual = {};
  std::string block = {};
  std::string blocks = {};
  std::string channels = {};
  std::string bottleneck_ratio = {};
  std::string mid_channels = {};
  std::string groups = {};
  std::string activated_shortcut = {};
  std::string final_norm = {};
  std::string transition = {};
  std::string stem_channels = {};
  std::string whiten_stem = {};
  std::string pool = {};
  std::string logit_scale = {};
  std::string init = {};
  std::string freeze_norm_scale = {};
  std::string drop_path = {};
  bool recompute = false;
};

/// The text fields of a network, by their names in args.json and in models/description.h, which
/// says what they are and take.
struct NetworkField {
  const char* name;
  std::string NetworkOptions::*value;
};
constexpr NetworkField kNetworkFields[] = {
    {"activation", &NetworkOptions::activation},
    {"shortcut", &NetworkOptions::shortcut},
    {"stem", &NetworkOptions::stem},
    {"zero-init-residual", &NetworkOptions::zero_init_residual},
    {"block", &NetworkOptions::block},
    {"blocks", &NetworkOptions::blocks},
    {"channels", &NetworkOptions::channels},
    {"bottleneck-ratio", &NetworkOptions::bottleneck_ratio},
    {"mid-channels", &NetworkOptions::mid_channels},
    {"groups", &NetworkOptions::groups},
    {"activated-shortcut", &NetworkOptions::activated_shortcut},
    {"final-norm", &NetworkOptions::final_norm},
    {"transition", &NetworkOptions::transition},
    {"stem-channels", &NetworkOptions::stem_channels},
    {"whiten-stem", &NetworkOptions::whiten_stem},
    {"pool", &NetworkOptions::pool},
    {"logit-scale", &NetworkOptions::logit_scale},
    {"init", &NetworkOptions::init},
    {"freeze-norm-scale", &NetworkOptions::freeze_norm_scale},
    {"drop-path", &NetworkOptions::drop_path},
};

/// What computes, and how.
struct MachineOptions {
  int threads = 0;  ///< 0: $OMP_NUM_THREADS, else one per core
  std::string conv_engine = "auto";
  std::string isa = "auto";
};

/// What a field is for stands in its row, in settings().
struct RunOptions : NetworkOptions, MachineOptions {
  // data
  std::string dataset = "cifar10";
  std::string data_path;
  std::int64_t val_split = 0;
  int image_size = 32;
  bool skip_damaged = false;
  bool no_exif_transpose = false;
  bool no_augment = false;
  int pad = 4;
  std::string pad_mode = "zero";
  std::string flip = "random";
  std::string augment = "plain";
  int cutout = 0;
  double random_erasing = 0;
  double mixup = 0;
  double cutmix = 0;
  int workers = 1;

  // fine-tuning
  std::string weights;
  bool reset_head = false;
  std::vector<std::string> freeze;

  // optimisation
  std::int64_t epochs = 10;
  std::int64_t max_steps = 0;
  std::int64_t batch_size = 128;
  std::int64_t accumulate = 1;
  std::int64_t shards = 0;  ///< 0: as many as ranks; of a resumed run those of its checkpoint
  std::string bn = "local";
  std::string optimizer = "sgd";
  double lr = 0.1;
  double momentum = 0.9;
  double momentum_cycle = 0.05;
  double dampening = 0;
  bool nesterov = false;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 5e-4;
  bool no_norm_decay = false;
  double norm_bias_lr_scale = 1;
  std::vector<std::string> lr_scale;
  std::string lr_scheduler = "cosine";
  std::vector<std::int64_t> lr_milestones = {100, 150};
  bool lr_milestones_in_steps = false;
  std::int64_t lr_step_size = 30;
  double lr_gamma = 0.1;
  double lr_warmup_epochs = 0;
  std::string lr_warmup_method = "linear";
  double lr_warmup_factor = 0.01;
  std::optional<double> lr_rise_share;
  std::optional<double> lr_start_factor;
  std::optional<double> lr_end_factor;
  double min_lr = 0;
  double label_smoothing = 0;
  double clip_grad_norm = 0;
  double ema_decay = 0;

  // run
  std::uint64_t seed = 1;
  std::string output_dir;
  std::string resume;
  bool overwrite = false;
  bool dry_run = false;
  double checkpoint_minutes = 10;
  int keep = 2;
  std::string on_nonfinite = "stop";
  std::int64_t print_freq = 50;
  bool quiet = false;
  bool profile = false;
  bool log_norms = false;
  bool overfit_batch = false;
  std::int64_t limit_train_batches = 0;
  std::int64_t limit_eval_batches = 0;
  std::int64_t eval_every = 1;
  std::int64_t patience = 0;
  double min_delta = 0;
};

/// What the layer of the networks knows, which this one does not; nothing: any text, without help.
struct NetworkWords {
  Choices models = nullptr;
  std::string_view (*help)(std::string_view field) = nullptr;
  std::string_view (*placeholder)(std::string_view field) = nullptr;
};

/// The network as it was asked for: "resnet20", "resnet20 with groups=4 stem_channels=32".
std::string describe(const NetworkOptions& options);

// The rows of the table. They point into `options`, which must outlive them.
Settings network_settings(NetworkOptions& options, const NetworkWords& words = {});
Settings machine_settings(MachineOptions& options);
Settings data_settings(std::string& dataset, std::string& data_path);
/// All settings of a run, in the order of args.json.
Settings settings(RunOptions& options, const NetworkWords& words = {});

/// Gives the settings of the schedule whose defaults depend on its name these defaults.
void resolve_schedule(RunOptions& options);

}  // namespace resgrad
