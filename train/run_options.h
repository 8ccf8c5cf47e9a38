// All settings of a training run, as the command line gives them and args.json records them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace resgrad {

struct RunOptions {
  // network; empty text keeps the family's own choice
  std::string model = "resnet20";
  std::string activation;
  std::string shortcut;
  std::string stem;
  std::string zero_init_residual;  ///< "on" or "off"
  bool recompute = false;

  // data
  std::string dataset = "cifar10";
  std::string data_path;
  std::int64_t val_split = 0;  ///< training images that are held out and evaluated on instead
  bool no_augment = false;
  int cutout = 0;             ///< side of the square, 0: none
  double random_erasing = 0;  ///< probability
  double mixup = 0;           ///< parameter of the Beta distribution, 0: none
  double cutmix = 0;          ///< likewise
  int workers = 1;

  // optimisation
  std::int64_t epochs = 10;
  std::int64_t max_steps = 0;  ///< 0: no limit
  std::int64_t batch_size = 128;
  std::int64_t accumulate = 1;    ///< batches per update
  std::string optimizer = "sgd";  ///< or "adamw"
  double lr = 0.1;
  double momentum = 0.9;
  double momentum_cycle = 0.05;  ///< onecycle: how far the momentum goes up and down
  double dampening = 0;
  bool nesterov = false;
  double beta1 = 0.9;  ///< of AdamW, as the next two
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 5e-4;
  bool no_norm_decay = false;
  std::string lr_scheduler = "cosine";
  std::vector<std::int64_t> lr_milestones = {100, 150};
  bool lr_milestones_in_steps = false;
  std::int64_t lr_step_size = 30;
  double lr_gamma = 0.1;
  double lr_warmup_epochs = 0;
  std::string lr_warmup_method = "linear";
  double lr_warmup_factor = 0.01;
  double label_smoothing = 0;
  double ema_decay = 0;       ///< of the average of the weights, 0: none
  double clip_grad_norm = 0;  ///< largest norm of all gradients together, 0: any

  // run
  std::uint64_t seed = 1;
  int threads = 0;  ///< 0: all cores
  std::string conv_engine = "auto";
  std::string isa = "auto";
  std::string output_dir;          ///< empty: `runs/<model>`
  std::string resume;              ///< "auto", a checkpoint or its folder; empty: start anew
  double checkpoint_minutes = 10;  ///< between checkpoints within an epoch, 0: none
  int keep = 2;                    ///< earlier checkpoints beside the last
  std::string on_nonfinite = "stop";
  std::int64_t print_freq = 50;
  bool quiet = false;
  bool profile = false;
  bool log_norms = false;
  bool overfit_batch = false;
  std::int64_t limit_train_batches = 0;  ///< 0: no limit
  std::int64_t limit_eval_batches = 0;
};

/// The settings and the version of the program as a JSON object. `resume` is left out: it belongs
/// to a start, not to the run. Throws ValueError for text that is not UTF-8, which JSON cannot
/// hold.
std::string to_json(const RunOptions& options);

/// Those of them that decide what is computed, as a JSON object: without what says where and how
/// fast a run works (data_path, recompute, workers, threads, isa, conv_engine, output_dir), what it
/// shows (print_freq, quiet, profile, log_norms), how it survives (keep, checkpoint_minutes,
/// on_nonfinite) and where it stops (max_steps).
std::string result_settings(const RunOptions& options);

}  // namespace resgrad
