// resgrad compare: trains variants over several seeds, on the same data in the same order and from
// the same initial weights where shapes agree, and tabulates how they differ.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <stop_token>

#include "core/atomic_file.h"
#include "data/loader.h"
#include "models/models.h"
#include "train/cli/commands.h"
#include "train/cli/config.h"
#include "train/cli/earlier_comparison.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/cli/run.h"
#include "train/cli/train_flags.h"
#include "train/cli/variants.h"
#include "train/compare.h"
#include "train/resume.h"
#include "train/run_data.h"
#include "train/run_folder.h"
#include "train/run_record.h"
#include "train/signals.h"

namespace resgrad::cli {
namespace {

struct CompareFlags {
  RunOptions run;
  std::vector<std::string> files, orders = names_in<kActivationNames>(), vary;
  std::int64_t seeds = 3;
  std::optional<double> target_loss;
  std::vector<Variant> variants;
  bool activation_given = false, lr_given = false, weight_decay_given = false;
};

namespace fs = std::filesystem;

// One run of the comparison, and what came of it.
struct Run {
  std::size_t variant;
  RunOptions options;
  std::string result = "finished";
  std::vector<EpochMetrics> epochs = {};  // none when it came to no result
};

// Seeds outside: after an interruption the finished seeds are complete pairs.
std::vector<Run> plan(const CompareFlags& flags, const fs::path& folder) {
  std::vector<Run> runs;
  for (std::int64_t s = 0; s < flags.seeds; ++s) {
    for (std::size_t v = 0; v < flags.variants.size(); ++v) {
      Run run{v, flags.variants[v].options};
      run.options.seed += static_cast<std::uint64_t>(s);
      run.options.output_dir =
          (folder / flags.variants[v].name / fmt::format("seed{}", run.options.seed)).string();
      runs.push_back(std::move(run));
    }
  }
  return runs;
}

// Those that are there must be of this comparison, which is to be known before anything trains.
void require_same_settings(const std::vector<Run>& runs, std::int64_t image_size) {
  const auto resolve = [=](RunOptions& run) { resolve_network(run, image_size); };
  for (const Run& run : runs) {
    std::optional<TrainState> state;
    try {
      const fs::path last = fs::path(run.options.output_dir) / kLastFile;
      state = read_checkpoint(last, CheckpointPart::header).state;
    } catch (const IoError&) {  // not there, or damaged: the run finds out what else there is
    }
    const std::string differences =
        state ? differing_settings(state->settings, run.options, resolve) : std::string();
    require<ValueError>(differences.empty(),
                        "compare: {}: expected a run with the settings of this comparison, got one "
                        "that differs: {}; without --resume all runs start anew",
                        run.options.output_dir, differences);
    require<ValueError>(!state || !state->data.empty() || run.options.val_split == 0 ||
                            run.options.seed == runs.front().options.seed,
                        "compare: {}: expected a run that held out images by its own seed, got one "
                        "of an earlier version, which held out those of the first seed; without "
                        "--resume all runs start anew",
                        run.options.output_dir);
  }
}

// The settings of all runs together, for --config and for people. What depends on the optimiser is
// left to it, which may vary.
std::string to_json(const CompareFlags& flags) {
  auto json = nlohmann::ordered_json::parse(resgrad::to_json(flags.run));
  if (!flags.activation_given) json.erase("activation");
  if (!flags.lr_given) json.erase("lr");
  if (!flags.weight_decay_given) json.erase("weight_decay");
  if (!flags.files.empty()) json["files"] = flags.files;
  if (!flags.orders.empty()) json["variants"] = flags.orders;
  if (!flags.vary.empty()) json["vary"] = flags.vary;
  json["seeds"] = flags.seeds;
  if (flags.target_loss) json["target_loss"] = *flags.target_loss;
  return json.dump(2) + "\n";
}

// What a network needs, whatever its weights.
struct Sizes {
  std::int64_t parameters, multiply_adds;
};

Sizes sizes_of(const RunOptions& o, const data::Dataset& images) {
  models::Options options = model_options(o, images.height, images.num_classes);
  options.initialise = false;
  const auto net = models::make(o.model, options);
  return {net->parameter_count(), multiply_adds(*net, {1, 3, images.height, images.width})};
}

// Which runs belong to the comparison: scripts/plot_compare.py draws the finished ones.
void write_runs(const fs::path& file, const std::vector<Variant>& variants,
                const std::vector<Sizes>& sizes, std::span<const Run> runs) {
  std::string csv =
      "variant,seed,result,epochs,train_loss,test_top1,parameters,multiply_adds,images_per_s,"
      "minutes\n";
  for (const Run& run : runs) {
    const EpochMetrics last = run.epochs.empty() ? EpochMetrics{} : run.epochs.back();
    const Sizes& size = sizes[run.variant];
    csv +=
        fmt::format("{},{},{},{},{},{},{},{},{},{}\n", variants[run.variant].name, run.options.seed,
                    run.result, run.epochs.size(), csv_cell(last.train_loss),
                    csv_cell(decisive_evaluation(last).top1), size.parameters, size.multiply_adds,
                    csv_cell(images_per_second(run.epochs)), csv_cell(minutes(run.epochs)));
  }
  write_file_atomically(file, csv);
}

std::string default_folder(const CompareFlags& flags) {
  std::string folder = "runs/compare";
  for (const std::string& file : flags.files) folder += '-' + fs::path(file).stem().string();
  return flags.files.empty() ? folder + '-' + flags.run.model : folder;
}

// Those that are held out depend on the seed, as in a run by itself: eval --split val finds them.
class DataOfSeeds {
 public:
  explicit DataOfSeeds(const RunOptions& first) : path_(first.data_path) { load(first); }
  const data::DataSplits& of(const RunOptions& o) {
    if (o.val_split > 0 && o.seed != seed_) load(o);
    return data_;
  }

 private:
  void load(const RunOptions& o) {
    data_ = data::load_data(load_options(o, path_));
    seed_ = o.seed;
  }
  std::string path_;
  data::DataSplits data_;
  std::uint64_t seed_ = 0;
};

// Trains one of the runs and says how it ended; false when a signal stopped it.
bool train_run(Run& run, const std::string& name, DataOfSeeds& data, const std::stop_token& stop) {
  try {
    apply_machine_options(run.options);
    const TrainResult trained = train_one(run.options, data.of(run.options), stop);
    if (trained.stopped) return false;
    run.epochs = trained.epochs;
  } catch (const DivergenceError& error) {
    run.result = "diverged";
    print_error("resgrad: {}: {}\n", name, error.what());
  }
  return true;
}

int run_compare(CompareFlags flags) {
  apply_machine_options(flags.run);
  flags.run.workers = at_most("--workers", flags.run.workers, data::kMostWorkers);
  const StopSignals signals;
  if (flags.run.output_dir.empty()) flags.run.output_dir = default_folder(flags);
  flags.run.data_path = find_data(flags.run.dataset, flags.run.data_path);
  const fs::path folder = flags.run.output_dir;
  DataOfSeeds data(flags.run);
  std::vector<Run> runs = plan(flags, folder);
  const std::string settings = to_json(flags);
  const bool go_on = !flags.run.resume.empty();
  const data::Dataset& images = *data.of(flags.run).train;
  if (go_on) require_same_settings(runs, images.height);
  std::vector<Sizes> sizes;
  for (std::size_t v = 0; v < flags.variants.size(); ++v) {
    require_fitting(runs[v].options, images);
    const std::string& weights = runs[v].options.weights;
    require<ValueError>(
        go_on || weights.empty() || !is_below(weights, folder),
        "compare: --weights: expected a file outside of the output folder {}, which "
        "is cleared of an earlier comparison, got {}",
        folder.string(), weights);
    sizes.push_back(sizes_of(runs[v].options, images));
  }
  for (const std::string_view file : {kLastFile, kBestFile}) {
    require<ValueError>(!fs::exists(folder / file),
                        "compare: --output-dir: expected a folder for a comparison, got {} with {}",
                        folder.string(), file);
  }
  const RunFolder held(folder, EarlierRun::keep);
  const std::optional<fs::path> moved =
      settle_earlier_comparison(folder, go_on                 ? EarlierRun::keep
                                        : flags.run.overwrite ? EarlierRun::remove
                                                              : EarlierRun::move);
  if (moved && !flags.run.quiet) {
    print_out("moved the earlier comparison in {} to {}\n", folder.string(), moved->string());
  }
  write_file_atomically(folder / "args.json", settings);

  std::vector<VariantRuns> results;
  for (const Variant& variant : flags.variants) results.push_back({variant.name, {}});
  std::string without_result;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    Run& run = runs[i];
    const std::string name =
        fmt::format("{}, seed {}", flags.variants[run.variant].name, run.options.seed);
    if (!run.options.quiet) print_out("run {} of {}: {}\n", i + 1, runs.size(), name);
    if (!train_run(run, name, data, signals.token())) {
      return stopped(StopSignals::received(), flags.run);
    }
    if (run.result != "finished") {
      without_result += name + ": diverged, without result in the table\n";
    }
    results[run.variant].runs.push_back(run.epochs);
    write_runs(folder / "runs.csv", flags.variants, sizes, std::span(runs).first(i + 1));
  }
  const Comparison comparison = compare(results, flags.target_loss);
  write_file_atomically(folder / "compare.csv", to_csv(comparison));
  std::vector<VariantCosts> spent;
  for (std::size_t v = 0; v < results.size(); ++v) {
    spent.push_back(costs(results[v], sizes[v].parameters, sizes[v].multiply_adds));
  }
  print_out("\n{}\n{}{}written to {}; curves: scripts/plot_compare.py {}\n", to_table(comparison),
            to_table(spent), without_result, (folder / "compare.csv").string(),
            shell_quoted(folder.string()));
  return without_result.empty() ? 0 : 1;
}

Settings settings(CompareFlags& flags) {
  const NetworkWords words = network_words();
  Settings rows = without(resgrad::settings(flags.run, words), {"resume", "dry-run"});
  find(rows, "output-dir")->default_text = "runs/compare-MODEL, of files runs/compare-NAME-NAME";
  find(rows, "overwrite")->help =
      "delete the results of an earlier comparison in the folder instead of moving them aside";
  append(rows,
         {{.name = "files",
           .group = Group::run,
           .help = "files of settings to compare, such as base.toml wide.toml, each over those of "
                   "--config; the first is the baseline, and flags win over all",
           .value = &flags.files,
           .placeholder = "FILE ...",
           .positional = true},
          {.name = "variants",
           .group = Group::network,
           .help = "activation orders to compare, the first is the baseline",
           .value = &flags.orders,
           .limits = names_in<kActivationNames>,
           .default_text = "post,pre without FILE and --vary"},
          {.name = "vary",
           .group = Group::run,
           .help = "setting and values to compare, such as lr=0.05,0.1; several give all "
                   "combinations, the first is the baseline",
           .value = &flags.vary,
           .placeholder = "SETTING=A,B,..."},
          {.name = "seeds",
           .group = Group::run,
           .help = "runs of each variant, with seeds from --seed upwards",
           .value = &flags.seeds,
           .limits = IntegerRange{1}},
          {.name = "target-loss",
           .group = Group::run,
           .help = "training loss of which the table says after how many epochs it was reached",
           .value = &flags.target_loss,
           .default_text = "the largest final training loss of a run"},
          {.name = "resume",
           .group = Group::run,
           .help = "go on with the runs of the output folder that are missing or unfinished",
           .value = &flags.run.resume,
           .limits = [] { return std::vector<std::string>{"auto"}; },
           .scope = Scope::start}});
  return rows;
}

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  auto flags = std::make_shared<CompareFlags>();
  auto given = std::make_shared<Settings>(settings(*flags));
  CLI::App& command =
      add_command(app, "compare", "trains variants over seeds and compares how they converge");
  add_config_flag(command, given);
  add_flags(command, given);
  on_chosen(command, [given, flags, &command, &action] {
    const bool by_default = flags->files.empty() && flags->vary.empty();
    if (!by_default && !find(*given, "variants")->given) flags->orders.clear();
    const Setting& activation = *find(*given, "activation");
    if (activation.from_flag && !flags->orders.empty()) {
      validation_error(fmt::format(
          "compare: --activation: expected the order of all variants, of FILE and --vary without "
          "--variants, got {} with the variants {}",
          flags->run.activation, fmt::join(flags->orders, ",")));
    }
    flags->activation_given = activation.given && flags->orders.empty();
    flags->lr_given = find(*given, "lr")->given;
    flags->weight_decay_given = find(*given, "weight-decay")->given;
    RunOptions& base = flags->run;
    std::vector<VariantFile> files;
    for (const std::string& file : flags->files) {
      files.push_back({file, read_settings(command, file)});
    }
    try {
      flags->variants = make_variants(base, *given, files, flags->orders, flags->vary);
    } catch (const ValueError& error) {
      validation_error(fmt::format("compare: {}", error.what()));
    }
    for (const Variant& variant : flags->variants) check_settings(variant.options, variant.name);
    if (!base.weights.empty()) take_network(base, read_network(base.weights).info, *given);
    take_data(base, flags->variants.front().options);
    action = [flags] { return run_compare(*flags); };
  });
}

}  // namespace resgrad::cli
