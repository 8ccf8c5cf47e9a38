// resgrad train: trains a network and writes the output folder.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "data/loader.h"
#include "models/whitening.h"
#include "train/cli/commands.h"
#include "train/cli/config.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/cli/ranks.h"
#include "train/cli/run.h"
#include "train/cli/train_flags.h"
#include "train/dist/agreement.h"
#include "train/fine_tune.h"
#include "train/io/utf8.h"
#include "train/make_optimizer.h"
#include "train/optim/adamw.h"
#include "train/run_data.h"
#include "train/run_record.h"
#include "train/signals.h"
#include "train/trainer.h"

namespace resgrad::cli {

void set_optimizer_defaults(Settings& given, RunOptions& o) {
  if (o.optimizer != "adamw") return;
  if (!find(given, "lr")->given) o.lr = AdamwOptions{}.lr;
  if (!find(given, "weight-decay")->given) o.weight_decay = AdamwOptions{}.weight_decay;
}

void check_settings(const RunOptions& o, const std::string& variant) {
  try {
    to_json(o);  // which cannot hold all texts
    const auto config = models::configure(o.model, model_options(o, kImageSize, kClasses));
    const auto net = models::make(config, 0, /*initialise=*/false);
    make_schedule(o, 1);
    freeze(*net, o.freeze);
    make_optimizer(net->named_parameters(), o);
    const std::int64_t processes = launch().value_or(Launch()).size;
    require<ValueError>(o.bn != "sync" || shards_per_update(o) <= processes,
                        "--bn: expected local, or sync with a process for each of the {} shards of "
                        "an update, got sync with {}",
                        shards_per_update(o), processes);
    require<ValueError>(
        o.shards <= o.batch_size,
        "--shards: expected at most one for each of the {} images of a batch, got {}", o.batch_size,
        o.shards);
  } catch (const ValueError& error) {
    validation_error((variant.empty() ? "" : variant + ": ") + error.what());
  }
}

namespace {

// Found out before the training, not when its first checkpoint is written.
std::vector<std::string> names_for_files(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    require<ValueError>(
        is_utf8(name),
        "folder: {}: expected a class with a name in UTF-8, as weights files have it, "
        "got this one",
        name);
    require<ValueError>(
        std::ranges::none_of(name, [](unsigned char c) { return c < 32 || c == 127; }),
        "folder: {:?}: expected a class with a name without control characters, "
        "which would break tables",
        name);
  }
  return names;
}

// By a sample of the training images as evaluation takes them.
void whiten_stem_for(ResNet& net, const data::DataSplits& data, const RunOptions& o) {
  data::LoaderOptions sample = eval_loader_options(data, o);
  // as many pixels as 5000 images of CIFAR have
  constexpr std::int64_t kPixels = std::int64_t{5000} * 32 * 32;
  const std::int64_t pixels = std::int64_t{data.train->height} * data.train->width;
  sample.batch_size =
      std::clamp<std::int64_t>(kPixels / pixels, 1, std::max<std::int64_t>(1, data.train->size()));
  sample.shuffle = true;
  sample.workers = 0;
  data::Loader loader(data.train, sample);
  loader.start_epoch(0);
  whiten_stem(net, loader.next()->images);
}

}  // namespace

void require_fitting(const RunOptions& o, const data::Dataset& images) {
  const models::Options model = model_options(o, images.height, images.num_classes);
  const ResNetConfig config = models::configure(o.model, model);
  const std::int64_t pixels = final_size(config, images.height) * final_size(config, images.width);
  const std::int64_t batch = std::min<std::int64_t>(o.batch_size, images.size());
  const std::int64_t images_of_norm =
      o.bn == "local" ? batch / std::max<std::int64_t>(1, o.shards) : batch;
  require<ValueError>(pixels * images_of_norm > 1,
                      "--batch-size: expected more than one value per channel for the last batch "
                      "norms, got images={} with pixels={} there",
                      images_of_norm, pixels);
}

BuiltNetwork build_network(const RunOptions& o, const data::DataSplits& data, Communicator& ranks) {
  const data::Dataset& images = *data.train;
  require_fitting(o, images);
  const models::Options model = model_options(o, images.height, images.num_classes, o.seed);
  const ResNetConfig config = models::configure(o.model, model);
  const auto net = models::make(o.model, model);
  if (o.weights.empty()) {
    if (config.whiten_stem) whiten_stem_for(*net, data, o);
  } else if (!ranks.any(ranks.leads() && find_checkpoint(o.resume, o.output_dir))) {
    const Checkpoint start = read_network(o.weights);
    start_from(*net, start, config.num_classes, o.reset_head, o.weights);
  }
  freeze(*net, o.freeze);
  const bool own_images = o.dataset == "folder";
  net->set_recompute_blocks(o.recompute);
  return {
      net,
      {.model = o.model,
       .activation = name(config.activation),
       .shortcut = name(config.shortcut),
       .stem = name(config.stem),
       .dataset = o.dataset,
       .network = other_fields(model.fields),
       .normalisation = own_images ? to_setting(data.normalisation) : "",
       .num_classes = config.num_classes,
       .class_names = own_images ? names_for_files(images.class_names) : std::vector<std::string>(),
       .image_size = own_images ? images.height : 0,
       .exif_transpose = !own_images || !o.no_exif_transpose,
       .skip_damaged = own_images && o.skip_damaged}};
}

namespace {

// A run that begins anew moves or deletes what an earlier one left in its folder: with the weights
// there, no one could begin the same run again.
void require_weights_elsewhere(const RunOptions& o, Communicator& ranks) {
  std::error_code ignored;
  const bool inside = ranks.leads() && !o.weights.empty() &&
                      std::filesystem::equivalent(
                          std::filesystem::weakly_canonical(o.weights, ignored).parent_path(),
                          o.output_dir, ignored);
  require<ValueError>(!ranks.any(inside && !find_checkpoint(o.resume, o.output_dir)),
                      "train: --weights: expected a file outside of the output folder {}, which is "
                      "cleared of an earlier run, got {}",
                      o.output_dir, o.weights);
}

}  // namespace

TrainResult train_one(const RunOptions& o, const data::DataSplits& data, std::stop_token stop,
                      Communicator& ranks) {
  require_weights_elsewhere(o, ranks);
  const BuiltNetwork built = build_network(o, data, ranks);
  return run_training(
      *built.net, data, o, built.info, std::move(stop),
      [&data](RunOptions& run) { resolve_network(run, data.train->height); }, ranks,
      StopSignals::take_save_request);
}

int stopped(int signal, const RunOptions& o) {
  if (signal == 0) return 0;
  print_error("go on with: {}\n", resume_command(o));
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

// A run that goes on is the network of its checkpoint, wherever the weights are that it began with;
// but on another machine than that of rank 0 the checkpoint may not be there.
CheckpointInfo starting_network(const RunOptions& o) {
  std::error_code ignored;
  if (o.resume == "auto" ? !o.output_dir.empty() : fs::exists(o.resume, ignored)) {
    if (const auto found = find_checkpoint(o.resume, o.output_dir)) return found->checkpoint.info;
  }
  return read_network(o.weights).info;
}

int run_train(RunOptions o) {
  wait_passively_if_crowded(o.threads, program_arguments());
  Communicator& all = ranks();
  o.threads = threads_of_rank(o.threads);
  apply_machine_options(o);
  use_common_isa(all);
  o.workers = at_most("--workers", o.workers, data::kMostWorkers);
  if (o.output_dir.empty()) o.output_dir = default_folder(o).lexically_normal().string();
  o.data_path = find_data(o.dataset, o.data_path);
  const StopSignals signals;
  data::LoadOptions load = load_options(o, o.data_path);
  load.folder.write_cache &= all.leads();
  data::DataSplits data = data::load_data(load);
  if (o.dry_run) return print_dry_run(o, data, signals.token());
  if (all.size() > 1) {
    if (const std::string advice = binding_advice(); !advice.empty())
      data.warnings.push_back(advice);
  }
  const TrainResult result = train_one(o, data, signals.token(), all);
  const auto signal = static_cast<int>(all.max(StopSignals::received()));
  if (!result.stopped) return 0;
  return all.leads() ? stopped(signal, o) : 128 + signal;
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  auto options = std::make_shared<RunOptions>();
  auto given = std::make_shared<Settings>(settings(*options, network_words()));
  CLI::App& command = add_command(app, "train", "trains a network");
  add_config_flag(command, given);
  add_flags(command, given);
  on_chosen(command, [given, options, &action] {
    set_optimizer_defaults(*given, *options);
    if (!options->weights.empty()) take_network(*options, starting_network(*options), *given);
    check_settings(*options);
    if (options->dry_run && launch()) validation_error("--dry-run: expected one process");
    action = [options] { return run_train(*options); };
  });
}

}  // namespace resgrad::cli
