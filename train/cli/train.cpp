// resgrad train: trains a network and writes the output folder.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>

#include "train/cli/commands.h"
#include "train/cli/config.h"
#include "train/cli/flags.h"
#include "train/cli/output.h"
#include "train/cli/train_flags.h"
#include "train/optim/adamw.h"
#include "train/signals.h"
#include "train/trainer.h"

namespace resgrad::cli {
namespace {

// A check of a number; CLI11's own let NaN through.
CLI::Validator number(const std::string& expected, bool (*fits)(double)) {
  return {[=](std::string& text) {
            double value = 0;
            const bool ok = CLI::detail::lexical_cast(text, value) && fits(value);
            return ok ? std::string() : fmt::format("expected {}, got {}", expected, text);
          },
          ""};
}

CLI::Validator finite_not_negative() {
  return number("a finite number of at least 0",
                [](double x) { return std::isfinite(x) && x >= 0; });
}

CLI::Validator beta_parameter() {
  return number("0, or 0.001 to 1000",
                [](double x) { return x == 0 || (x >= 0.001 && x <= 1000); });
}

}  // namespace

void add_train_flags(CLI::App& command, RunOptions& o) {
  command.add_option("--dataset", o.dataset, "data set")
      ->check(CLI::IsMember({"cifar10", "cifar100", "synthetic"}))
      ->capture_default_str();
  command.add_option("--data-path", o.data_path,
                     "folder of the data [default: $RESGRAD_DATA, else data-cache/]");
  command
      .add_option("--val-split", o.val_split,
                  "training images to hold out and evaluate on instead of the test set")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_flag("--no-augment", o.no_augment, "no random crop and flip");
  command.add_option("--cutout", o.cutout, "side of the square that is cut out; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option("--random-erasing", o.random_erasing,
                  "probability that a box of random size is cut out of an image")
      ->check(number("a number of 0 to 1", [](double x) { return x >= 0 && x <= 1; }))
      ->capture_default_str();
  command
      .add_option("--mixup", o.mixup,
                  "blend the images of a batch in pairs, with shares of Beta(A, A); 0: no")
      ->check(beta_parameter())
      ->capture_default_str();
  command
      .add_option("--cutmix", o.cutmix,
                  "put boxes of one image into the other, with shares of Beta(A, A); 0: no. With "
                  "--mixup, a batch takes one or the other")
      ->check(beta_parameter())
      ->capture_default_str();
  command.add_option("-j,--workers", o.workers, "threads that load data; 0: none of their own")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--epochs", o.epochs, "passes over the training set")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--max-steps", o.max_steps,
                  "stop after so many updates, whatever the schedule; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("-b,--batch-size", o.batch_size, "images per batch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--accumulate", o.accumulate,
                  "batches per update: their gradients are averaged, steps count updates")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--optimizer", o.optimizer, "how gradients change the weights")
      ->check(CLI::IsMember({"sgd", "adamw"}))
      ->capture_default_str();
  command
      .add_option("--lr", o.lr, "learning rate; onecycle: its maximum [default: 0.1; adamw 0.001]")
      ->check(CLI::PositiveNumber);
  command.add_option("--momentum", o.momentum, "of SGD")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      .add_option("--momentum-cycle", o.momentum_cycle,
                  "onecycle: how far momentum or beta1 goes up and down, against the rate")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str();
  command.add_option("--dampening", o.dampening, "of the momentum")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_flag("--nesterov", o.nesterov, "Nesterov's form of the momentum");
  command.add_option("--beta1", o.beta1, "of AdamW: share of the mean gradient that is kept")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--beta2", o.beta2, "of AdamW: share of the mean square that is kept")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--eps", o.eps, "of AdamW: added to the root of the mean square")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--wd,--weight-decay", o.weight_decay, "weight decay [default: 5e-4; adamw 0.01]")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--no-norm-decay", o.no_norm_decay, "no weight decay on norms and biases");
  command.add_option("--lr-scheduler", o.lr_scheduler, "how the learning rate changes")
      ->check(CLI::IsMember({"constant", "step", "multistep", "cosine", "onecycle"}))
      ->capture_default_str();
  command.add_option("--lr-milestones", o.lr_milestones, "multistep: epochs, ascending")
      ->delimiter(',')
      ->capture_default_str();
  command.add_flag("--lr-milestones-in-steps", o.lr_milestones_in_steps,
                   "the milestones count updates, not epochs");
  command.add_option("--lr-step-size", o.lr_step_size, "step: epochs between two drops")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--lr-gamma", o.lr_gamma, "step, multistep: factor of a drop")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--lr-warmup-epochs", o.lr_warmup_epochs, "epochs of warm-up, may be fractional")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--lr-warmup-method", o.lr_warmup_method, "shape of the warm-up")
      ->check(CLI::IsMember({"linear", "constant"}))
      ->capture_default_str();
  command
      .add_option("--lr-warmup-factor", o.lr_warmup_factor,
                  "fraction of the learning rate at which the warm-up starts")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--label-smoothing", o.label_smoothing, "of the cross entropy")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      .add_option("--clip-grad-norm", o.clip_grad_norm,
                  "scale the gradients down when the norm of all together is larger; 0: never")
      ->check(finite_not_negative())
      ->capture_default_str();
  command
      .add_option("--ema-decay", o.ema_decay,
                  "keep a moving average of the weights with this share of the old, such as 0.999; "
                  "evaluated beside, written to ema.safetensors; 0: none")
      ->check(
          number("a number of at least 0 and below 1", [](double x) { return x >= 0 && x < 1; }))
      ->capture_default_str();
  command
      .add_option("--zero-init-residual", o.zero_init_residual,
                  "let every block start as its shortcut [default: the family's own]")
      ->check(CLI::IsMember({"on", "off"}));
  command.add_option("--seed", o.seed, "of weights, order and augmentation")->capture_default_str();
  command
      .add_option(
          "--checkpoint-minutes", o.checkpoint_minutes,
          "minutes between checkpoints within an epoch, may be fractional; 0: only after it")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--keep", o.keep, "earlier checkpoints to keep beside last.safetensors")
      ->check(CLI::Range(0, 99))
      ->capture_default_str();
  command
      .add_option("--on-nonfinite", o.on_nonfinite,
                  "when loss or a gradient is NaN or infinite: stop, or skip the update")
      ->check(CLI::IsMember({"stop", "skip"}))
      ->capture_default_str();
  command.add_option("--print-freq", o.print_freq, "updates between progress lines")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("--quiet", o.quiet, "print errors only; the log file is written all the same");
  command.add_flag(
      "--profile", o.profile,
      "print where the time of each epoch went; trace the first steps to profile.json");
  command.add_flag("--log-norms", o.log_norms,
                   "norms of weights and gradients in the TensorBoard events");
  command.add_flag("--overfit-batch", o.overfit_batch,
                   "train and evaluate on the first batch alone, as it is, to check a set-up");
  command.add_option("--limit-train-batches", o.limit_train_batches, "per epoch; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--limit-eval-batches", o.limit_eval_batches, "per evaluation; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_recompute_flag(command, o);
  add_machine_flags(command, o);
}

void set_optimizer_defaults(const CLI::App& command, RunOptions& o) {
  if (o.optimizer != "adamw") return;
  if (command.count("--lr") == 0) o.lr = AdamwOptions{}.lr;
  if (command.count("--weight-decay") == 0) o.weight_decay = AdamwOptions{}.weight_decay;
}

TrainResult train_one(const RunOptions& o, const data::DataSplits& data, std::stop_token stop) {
  const data::Dataset& images = *data.train;
  models::Options model =
      model_options(o.activation, o.shortcut, o.stem, images.height, images.num_classes);
  if (!o.zero_init_residual.empty()) model.zero_init_residual = o.zero_init_residual == "on";
  model.seed = o.seed;
  const ResNetConfig config = models::configure(o.model, model);
  const auto net = models::make(o.model, model);
  net->set_recompute_blocks(o.recompute);
  return run_training(*net, data, o,
                      {.model = o.model,
                       .activation = name(config.activation),
                       .shortcut = config.shortcut == Shortcut::zero_pad ? "A" : "B",
                       .stem = config.stem == Stem::cifar ? "cifar" : "imagenet",
                       .dataset = o.dataset,
                       .num_classes = config.num_classes},
                      std::move(stop));
}

int stopped(int signal) {
  if (signal == 0) return 0;
  print_error("go on with: {}\n", resume_command());
  return 128 + signal;
}

namespace {

namespace fs = std::filesystem;

fs::path default_folder(const RunOptions& o) {
  if (o.resume.empty() || o.resume == "auto") return "runs/" + o.model;
  std::error_code ignored;
  return fs::is_directory(o.resume, ignored) ? fs::path(o.resume)
                                             : fs::path(o.resume).parent_path() / ".";
}

int run_train(RunOptions o) {
  apply_machine_flags(o);
  if (o.output_dir.empty()) o.output_dir = default_folder(o).lexically_normal().string();
  const StopSignals signals;
  const data::DataSplits data = data::load_data({.name = o.dataset,
                                                 .path = find_data(o.dataset, o.data_path),
                                                 .val_split = o.val_split,
                                                 .split_seed = o.seed});
  const TrainResult result = train_one(o, data, signals.token());
  return stopped(result.stopped ? StopSignals::received() : 0);
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("train", "trains a network");
  add_config_flag(*command);
  add_network_flags(*command, *options);
  add_train_flags(*command, *options);
  command->add_option("--resume", options->resume,
                      "go on from a checkpoint: auto (the newest of the output folder, or anew if "
                      "there is none), a folder or a file");
  command->add_option("--output-dir", options->output_dir,
                      "folder of the results [default: that of --resume, else runs/MODEL]");
  command->callback([command, options, &action] {
    set_optimizer_defaults(*command, *options);
    action = [options] { return run_train(*options); };
  });
}

}  // namespace resgrad::cli
