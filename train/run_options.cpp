#include "train/run_options.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/enum_names.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "data/augment.h"
#include "data/datasets.h"
#include "train/optim/schedule.h"

namespace resgrad {

namespace {

constexpr NumberRange kBetaParameter{"0, or a number of 0.001 to 1000",
                                     [](double x) { return x == 0 || (x >= 1e-3 && x <= 1e3); }};
constexpr NumberRange kHalfShare{"a number of 0 to 0.5",
                                 [](double x) { return x >= 0 && x <= 0.5; }};

std::vector<std::string> conv_engines() {
  std::vector<std::string> names{"auto"};
  for (const auto name : kernels::conv2d_engine_names()) names.emplace_back(name);
  return names;
}

std::vector<std::string> isas() {
  std::vector<std::string> names{"auto"};
  for (const auto isa : kernels::kAllIsas) names.emplace_back(kernels::name(isa));
  return names;
}

std::vector<std::string> optimizer_names() {
  return {"sgd", "adamw"};
}

std::vector<std::string> local_or_sync() {
  return {"local", "sync"};
}

std::vector<std::string> stop_or_skip() {
  return {"stop", "skip"};
}

Settings augmentation_settings(RunOptions& o) {
  const Condition own_images{"with --dataset folder", o.dataset == "folder"};
  const Condition augmented{"without --no-augment and --overfit-batch",
                            !o.no_augment && !o.overfit_batch};
  const Condition not_overfit{"without --overfit-batch", !o.overfit_batch};
  return {
      {.name = "val-split",
       .group = Group::data,
       .help = "training images to hold out, which are evaluated instead of the test set",
       .value = &o.val_split},
      {.name = "image-size",
       .group = Group::data,
       .help = "height and width in pixels that the images of a folder get",
       .value = &o.image_size,
       .limits = IntegerRange{8, 1024},
       .only_with = own_images},
      {.name = "skip-damaged",
       .group = Group::data,
       .help = "leave out the images of a folder that cannot be read, instead of stopping",
       .value = &o.skip_damaged,
       .only_with = own_images},
      {.name = "no-exif-transpose",
       .group = Group::data,
       .help = "take the photographs of a folder as they are stored, not as their EXIF orientation "
               "turns them",
       .value = &o.no_exif_transpose,
       .only_with = own_images},
      {.name = "no-augment",
       .group = Group::data,
       .help = "neither crop nor flip the training images",
       .value = &o.no_augment},
      {.name = "pad",
       .group = Group::data,
       .help = "pixels around a training image before a part of its size is cut out at random",
       .value = &o.pad,
       .limits = IntegerRange{0, 65536},
       .only_with = augmented},
      {.name = "pad-mode",
       .group = Group::data,
       .help = "what those pixels are: black, or the image reflected",
       .value = &o.pad_mode,
       .limits = names_in<data::kPadModeNames>,
       .only_with = augmented},
      {.name = "flip",
       .group = Group::data,
       .help = "mirror training images: never, each time by chance, or in every second epoch",
       .value = &o.flip,
       .limits = names_in<data::kFlipNames>,
       .only_with = augmented},
      {.name = "augment",
       .group = Group::data,
       .help = "operations on the colours and the geometry of training images after crop and flip: "
               "none, one of TrivialAugment Wide, or two of RandAugment",
       .value = &o.augment,
       .limits = names_in<data::kPolicyNames>,
       .only_with = augmented},
      {.name = "cutout",
       .group = Group::data,
       .help = "side in pixels of the square that is cut out of every training image; 0: none",
       .value = &o.cutout,
       .limits = IntegerRange{0, 65536},
       .only_with = not_overfit},
      {.name = "random-erasing",
       .group = Group::data,
       .help = "probability that a box of random size is cut out of a training image",
       .value = &o.random_erasing,
       .limits = kShare,
       .only_with = not_overfit},
      {.name = "mixup",
       .group = Group::data,
       .help = "blend the images of a batch in pairs, with shares of Beta(X, X); 0: do not",
       .value = &o.mixup,
       .limits = kBetaParameter,
       .only_with = not_overfit},
      {.name = "cutmix",
       .group = Group::data,
       .help = "put boxes of one image into another, with shares of Beta(X, X); 0: do not. With "
               "--mixup too, a batch takes one or the other",
       .value = &o.cutmix,
       .limits = kBetaParameter,
       .only_with = not_overfit},
      {.name = "workers",
       .group = Group::machine,
       .help = "threads that load data; 0: none of their own",
       .value = &o.workers,
       .scope = Scope::run,
       .also = "-j"},
  };
}

Settings fine_tuning_settings(RunOptions& o) {
  return {
      {.name = "weights",
       .group = Group::network,
       .help = "weights file of train or import to start from; its network, too, unless --model "
               "names one",
       .value = &o.weights,
       .scope = Scope::run,
       .placeholder = "FILE"},
      {.name = "reset-head",
       .group = Group::network,
       .help = "of --weights all but the classifier, which starts anew, for other classes",
       .value = &o.reset_head,
       .only_with = {"with --weights", !o.weights.empty()},
       .scope = Scope::run},
      {.name = "freeze",
       .group = Group::network,
       .help = "parts that are not trained, such as stem,stage1: neither their parameters nor the "
               "running statistics of their norms change",
       .value = &o.freeze},
  };
}

// So that updates can be counted.
constexpr std::int64_t kMostEpochs = 1'000'000'000;
constexpr NumberRange kEpochs{"a number of 0 to 1000000000", [](double x) {
                                return x >= 0 && x <= static_cast<double>(kMostEpochs);
                              }};

Settings optimisation_settings(RunOptions& o) {
  return {
      {.name = "epochs",
       .group = Group::optimisation,
       .help = "passes over the training set",
       .value = &o.epochs,
       .limits = IntegerRange{1, kMostEpochs}},
      {.name = "max-steps",
       .group = Group::optimisation,
       .help = "updates after which to stop, whatever the schedule; 0: no limit",
       .value = &o.max_steps,
       .scope = Scope::run},
      {.name = "batch-size",
       .group = Group::optimisation,
       .help = "images per batch, those of all shards together",
       .value = &o.batch_size,
       .limits = IntegerRange{1},
       .also = "-b"},
      {.name = "accumulate",
       .group = Group::optimisation,
       .help = "batches per update: their gradients are averaged, and steps count updates",
       .value = &o.accumulate,
       .limits = IntegerRange{1, 1'000'000}},
      {.name = "shards",
       .group = Group::optimisation,
       .help = "parts of a batch that are computed apart, each with its own batch statistics, and "
               "that ranks share out",
       .value = &o.shards,
       .limits = IntegerRange{0, 4096},
       .default_text = "the number of ranks; of a run that goes on, that of its checkpoint"},
      {.name = "bn",
       .group = Group::optimisation,
       .help = "whether a batch norm takes the statistics of its shard, or of all shards of the "
               "update together, for which each of them needs a rank of its own",
       .value = &o.bn,
       .limits = local_or_sync,
       .only_with = {"with several shards", o.shards != 1 || o.accumulate != 1}},
      {.name = "optimizer",
       .group = Group::optimisation,
       .help = "how gradients change the weights",
       .value = &o.optimizer,
       .limits = optimizer_names},
      {.name = "lr",
       .group = Group::optimisation,
       .help = "learning rate; of onecycle and triangular its maximum",
       .value = &o.lr,
       .limits = kAboveZero,
       .default_text = "0.1; adamw: 0.001"},
      {.name = "momentum",
       .group = Group::optimisation,
       .help = "momentum of SGD: share of the last update that is kept",
       .value = &o.momentum,
       .limits = kShare,
       .only_with = {"with --optimizer sgd", o.optimizer == "sgd"}},
      {.name = "momentum-cycle",
       .group = Group::schedule,
       .help = "how far momentum or beta1 goes up and down, against the rate",
       .value = &o.momentum_cycle,
       .limits = kHalfShare,
       .only_with = {"with --lr-scheduler onecycle", o.lr_scheduler == "onecycle"}},
      {.name = "dampening",
       .group = Group::optimisation,
       .help = "share of the gradient that the momentum leaves out",
       .value = &o.dampening,
       .limits = kShare,
       .only_with = {"with --optimizer sgd", o.optimizer == "sgd"}},
      {.name = "nesterov",
       .group = Group::optimisation,
       .help = "Nesterov's form of the momentum",
       .value = &o.nesterov,
       .only_with = {"with --optimizer sgd", o.optimizer == "sgd"}},
      {.name = "beta1",
       .group = Group::optimisation,
       .help = "share of the mean gradient that AdamW keeps at an update",
       .value = &o.beta1,
       .limits = kShareBelowOne,
       .only_with = {"with --optimizer adamw", o.optimizer == "adamw"}},
      {.name = "beta2",
       .group = Group::optimisation,
       .help = "share of the mean squared gradient that AdamW keeps at an update",
       .value = &o.beta2,
       .limits = kShareBelowOne,
       .only_with = {"with --optimizer adamw", o.optimizer == "adamw"}},
      {.name = "eps",
       .group = Group::optimisation,
       .help = "added to the root of the mean squared gradient by AdamW",
       .value = &o.eps,
       .limits = kAboveZero,
       .only_with = {"with --optimizer adamw", o.optimizer == "adamw"}},
      {.name = "weight-decay",
       .group = Group::optimisation,
       .help = "weight decay: of SGD added to the gradient, of AdamW apart from it",
       .value = &o.weight_decay,
       .limits = kAtLeastZero,
       .default_text = "0.0005; adamw: 0.01",
       .also = "--wd"},
      {.name = "no-norm-decay",
       .group = Group::optimisation,
       .help = "no weight decay on the parameters of norms and on biases",
       .value = &o.no_norm_decay},
      {.name = "norm-bias-lr-scale",
       .group = Group::optimisation,
       .help =
           "factor of the learning rate of the biases of norms; their weight decay is divided by "
           "it",
       .value = &o.norm_bias_lr_scale,
       .limits = kAboveZero},
      {.name = "lr-scale",
       .group = Group::optimisation,
       .help = "factors of the learning rate for parts of the network, such as fc=10,stage3=0.5",
       .value = &o.lr_scale,
       .placeholder = "PART=X,..."},
  };
}

Settings schedule_settings(RunOptions& o) {
  const Condition multistep{"with --lr-scheduler multistep", o.lr_scheduler == "multistep"};
  const Condition warmup{"with --lr-warmup-epochs", o.lr_warmup_epochs > 0};
  const Condition cycle{"with --lr-scheduler onecycle or triangular",
                        o.lr_scheduler == "onecycle" || o.lr_scheduler == "triangular"};
  return {
      {.name = "lr-scheduler",
       .group = Group::schedule,
       .help = "how the learning rate changes during the run",
       .value = &o.lr_scheduler,
       .limits = schedule_names},
      {.name = "lr-milestones",
       .group = Group::schedule,
       .help = "epochs after which the rate drops, ascending",
       .value = &o.lr_milestones,
       .only_with = multistep},
      {.name = "lr-milestones-in-steps",
       .group = Group::schedule,
       .help = "the milestones count updates, not epochs",
       .value = &o.lr_milestones_in_steps,
       .only_with = multistep},
      {.name = "lr-step-size",
       .group = Group::schedule,
       .help = "epochs between two drops",
       .value = &o.lr_step_size,
       .limits = IntegerRange{1},
       .only_with = {"with --lr-scheduler step", o.lr_scheduler == "step"}},
      {.name = "lr-gamma",
       .group = Group::schedule,
       .help = "factor of a drop",
       .value = &o.lr_gamma,
       .limits = kAboveZero,
       .only_with = {"with --lr-scheduler step or multistep",
                     o.lr_scheduler == "step" || o.lr_scheduler == "multistep"}},
      {.name = "lr-warmup-epochs",
       .group = Group::schedule,
       .help = "epochs of warm-up before the schedule, also fractions of one",
       .value = &o.lr_warmup_epochs,
       .limits = kEpochs},
      {.name = "lr-warmup-method",
       .group = Group::schedule,
       .help = "shape of the warm-up",
       .value = &o.lr_warmup_method,
       .limits = warmup_method_names,
       .only_with = warmup},
      {.name = "lr-warmup-factor",
       .group = Group::schedule,
       .help = "share of the learning rate at which the warm-up starts",
       .value = &o.lr_warmup_factor,
       .limits = kShare,
       .only_with = warmup},
      {.name = "lr-rise-share",
       .group = Group::schedule,
       .help = "share of the run in which the rate rises to --lr",
       .value = &o.lr_rise_share,
       .limits = kShareBelowOne,
       .default_text = "0.3; triangular: 0.2",
       .only_with = cycle},
      {.name = "lr-start-factor",
       .group = Group::schedule,
       .help = "share of --lr at the start",
       .value = &o.lr_start_factor,
       .limits = kAtLeastZero,
       .default_text = "0.04; triangular: 0.2",
       .only_with = cycle},
      {.name = "lr-end-factor",
       .group = Group::schedule,
       .help = "share of --lr at the end",
       .value = &o.lr_end_factor,
       .limits = kAtLeastZero,
       .default_text = "4e-6; triangular: 0",
       .only_with = cycle},
      {.name = "min-lr",
       .group = Group::schedule,
       .help = "learning rate at the end",
       .value = &o.min_lr,
       .limits = kAtLeastZero,
       .only_with = {"with --lr-scheduler cosine", o.lr_scheduler == "cosine"}},
      {.name = "label-smoothing",
       .group = Group::optimisation,
       .help = "share of a label that is spread over all classes",
       .value = &o.label_smoothing,
       .limits = kShare},
      {.name = "clip-grad-norm",
       .group = Group::optimisation,
       .help = "norm of all gradients together above which they are scaled down to it; 0: never",
       .value = &o.clip_grad_norm,
       .limits = kAtLeastZero},
      {.name = "ema-decay",
       .group = Group::optimisation,
       .help =
           "keep a moving average of the weights, with this share of the old at an update, such "
           "as 0.999; evaluated beside, written to ema.safetensors, and the best of them is "
           "best.safetensors; 0: none",
       .value = &o.ema_decay,
       .limits = kShareBelowOne},
      {.name = "seed",
       .group = Group::run,
       .help = "seed of the weights, the order of the images and the augmentation",
       .value = &o.seed},
  };
}

Settings output_settings(RunOptions& o) {
  return {
      {.name = "output-dir",
       .group = Group::output,
       .help = "folder of the results",
       .value = &o.output_dir,
       .default_text = "that of --resume, else runs/MODEL",
       .scope = Scope::run,
       .placeholder = "FOLDER"},
      {.name = "overwrite",
       .group = Group::output,
       .help = "delete the results of an earlier run in the folder instead of moving them aside",
       .value = &o.overwrite,
       .scope = Scope::start},
      {.name = "dry-run",
       .group = Group::run,
       .help = "print all settings, the size of the network and what a step takes, and stop; "
               "nothing is written",
       .value = &o.dry_run,
       .scope = Scope::start},
      {.name = "checkpoint-minutes",
       .group = Group::output,
       .help =
           "minutes between checkpoints within an epoch, also fractions of one; 0: only after it",
       .value = &o.checkpoint_minutes,
       .limits = kAtLeastZero,
       .scope = Scope::run},
      {.name = "keep",
       .group = Group::output,
       .help = "earlier checkpoints to keep beside last.safetensors",
       .value = &o.keep,
       .limits = IntegerRange{0, 99},
       .scope = Scope::run},
      {.name = "on-nonfinite",
       .group = Group::run,
       .help =
           "when the loss or a gradient is NaN or infinite: end the run, or leave out the update",
       .value = &o.on_nonfinite,
       .limits = stop_or_skip,
       .scope = Scope::run},
      {.name = "print-freq",
       .group = Group::output,
       .help = "updates between two lines of progress",
       .value = &o.print_freq,
       .limits = IntegerRange{1},
       .scope = Scope::run},
      {.name = "quiet",
       .group = Group::output,
       .help = "print errors only; the log file is written all the same",
       .value = &o.quiet,
       .scope = Scope::run},
      {.name = "profile",
       .group = Group::output,
       .help = "print where the time of each epoch went, and trace the first steps to profile.json",
       .value = &o.profile,
       .scope = Scope::run},
      {.name = "log-norms",
       .group = Group::output,
       .help = "record the norms of weights and gradients in the TensorBoard events",
       .value = &o.log_norms,
       .scope = Scope::run},
      {.name = "overfit-batch",
       .group = Group::run,
       .help = "train and evaluate on the first batch alone, as it is, to check a set-up",
       .value = &o.overfit_batch},
      {.name = "limit-train-batches",
       .group = Group::run,
       .help = "batches after which to end an epoch; 0: no limit",
       .value = &o.limit_train_batches},
      {.name = "limit-eval-batches",
       .group = Group::run,
       .help = "batches after which to end an evaluation; 0: no limit",
       .value = &o.limit_eval_batches},
      {.name = "eval-every",
       .group = Group::run,
       .help = "epochs between two evaluations; the last epoch always has one",
       .value = &o.eval_every,
       .limits = IntegerRange{1}},
      {.name = "patience",
       .group = Group::run,
       .help = "evaluations in a row without a better top-1 after which to stop; 0: never",
       .value = &o.patience,
       .scope = Scope::run},
      {.name = "min-delta",
       .group = Group::run,
       .help = "percentage points by which a top-1 must exceed the best to be a better one",
       .value = &o.min_delta,
       .limits = kAtLeastZero,
       .only_with = {"with --patience", o.patience > 0},
       .scope = Scope::run},
      {.name = "resume",
       .group = Group::run,
       .help =
           "go on from a checkpoint: auto (the newest of the output folder, or a new start where "
           "there is none), a folder or a file",
       .value = &o.resume,
       .scope = Scope::start,
       .placeholder = "auto|PATH"},
  };
}

}  // namespace

std::string describe(const NetworkOptions& options) {
  std::string text;
  for (const NetworkField& field : kNetworkFields) {
    const std::string& value = options.*field.value;
    std::string name(field.name);
    std::ranges::replace(name, '-', '_');
    if (!value.empty()) text += fmt::format(" {}={}", name, value);
  }
  return text.empty() ? options.model : options.model + " with" + text;
}

Settings network_settings(NetworkOptions& o, const NetworkWords& words) {
  Settings rows = {{.name = "model",
                    .group = Group::network,
                    .help = "network, see: resgrad models",
                    .value = &o.model,
                    .limits = words.models}};
  for (const NetworkField& field : kNetworkFields) {
    rows.push_back(
        {.name = field.name,
         .group = Group::network,
         .help = words.help != nullptr ? words.help(field.name) : "",
         .value = &(o.*field.value),
         .default_text = field.value == &NetworkOptions::stem ? "by the size of the images"
                                                              : "that of the model",
         .placeholder = words.placeholder != nullptr ? words.placeholder(field.name) : "",
         .of_any_type = true});
  }
  append(rows, {{.name = "recompute",
                 .group = Group::machine,
                 .help = "keep only the inputs of the blocks for backward: less memory, more time",
                 .value = &o.recompute,
                 .scope = Scope::run}});
  return rows;
}

Settings data_settings(std::string& dataset, std::string& data_path) {
  return {
      {.name = "dataset",
       .group = Group::data,
       .help = "data set",
       .value = &dataset,
       .limits = data::dataset_names},
      {.name = "data-path",
       .group = Group::data,
       .help = "folder of the data",
       .value = &data_path,
       .default_text = "$RESGRAD_DATA, else data-cache/",
       .scope = Scope::run,
       .placeholder = "FOLDER"},
  };
}

Settings machine_settings(MachineOptions& o) {
  return {
      {.name = "threads",
       .group = Group::machine,
       .help = "threads of the kernels; 0: $OMP_NUM_THREADS, else one per core",
       .value = &o.threads,
       .scope = Scope::run},
      {.name = "conv-engine",
       .group = Group::machine,
       .help = "how convolutions are computed",
       .value = &o.conv_engine,
       .limits = conv_engines,
       .scope = Scope::run},
      {.name = "isa",
       .group = Group::machine,
       .help = "instruction set of the kernels",
       .value = &o.isa,
       .limits = isas,
       .scope = Scope::run},
  };
}

Settings settings(RunOptions& o, const NetworkWords& words) {
  Settings all = network_settings(o, words);
  append(all, data_settings(o.dataset, o.data_path));
  append(all, augmentation_settings(o));
  append(all, fine_tuning_settings(o));
  append(all, optimisation_settings(o));
  append(all, schedule_settings(o));
  append(all, machine_settings(o));
  append(all, output_settings(o));
  return all;
}

void resolve_schedule(RunOptions& o) {
  const bool straight = o.lr_scheduler == "triangular";
  o.lr_rise_share = o.lr_rise_share.value_or(straight ? 0.2 : 0.3);
  o.lr_start_factor = o.lr_start_factor.value_or(straight ? 0.2 : 0.04);
  o.lr_end_factor = o.lr_end_factor.value_or(straight ? 0 : 4e-6);
}

}  // namespace resgrad
