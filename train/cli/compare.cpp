// resgrad compare: trains variants of one network over several seeds, on the same data in the same
// order and from the same initial weights where shapes agree, and tabulates how they differ.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "train/cli/commands.h"
#include "train/cli/config.h"
#include "train/cli/flags.h"
#include "train/cli/train_flags.h"
#include "train/compare.h"
#include "train/io/atomic_file.h"
#include "train/signals.h"

namespace resgrad::cli {
namespace {

struct CompareFlags {
  RunOptions run;
  std::vector<std::string> variants = names_in<kActivationNames>();
  std::int64_t seeds = 3;
  std::optional<double> target_loss;
};

int run_compare(CompareFlags flags) {
  for (std::size_t i = 0; i < flags.variants.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      require<ValueError>(flags.variants[i] != flags.variants[j],
                          "--variants: expected each variant once, got {} twice",
                          flags.variants[i]);
    }
  }
  apply_machine_options(flags.run);
  const StopSignals signals;
  const std::filesystem::path folder =
      flags.run.output_dir.empty() ? "runs/compare-" + flags.run.model : flags.run.output_dir;
  const data::DataSplits data =
      data::load_data({.name = flags.run.dataset,
                       .path = find_data(flags.run.dataset, flags.run.data_path),
                       .val_split = flags.run.val_split,
                       .split_seed = flags.run.seed});
  std::vector<VariantRuns> results;
  for (const std::string& variant : flags.variants) results.push_back({variant, {}});
  const std::int64_t runs = flags.seeds * std::ssize(flags.variants);
  std::int64_t done = 0;
  // seeds outside: after an interruption the finished seeds are complete pairs
  for (std::int64_t s = 0; s < flags.seeds; ++s) {
    for (VariantRuns& result : results) {
      RunOptions run = flags.run;
      run.activation = result.name;
      run.seed += static_cast<std::uint64_t>(s);
      run.output_dir = (folder / result.name / fmt::format("seed{}", run.seed)).string();
      if (!run.quiet) {
        fmt::print("run {} of {}: {}, seed {}\n", ++done, runs, result.name, run.seed);
      }
      const TrainResult trained = train_one(run, data, signals.token());
      if (trained.stopped) return stopped(StopSignals::received());
      result.runs.push_back(trained.epochs);
    }
  }
  const Comparison comparison = compare(results, flags.target_loss);
  const std::string csv = to_csv(comparison);
  write_file_atomically(folder / "compare.csv", std::as_bytes(std::span(csv)));
  fmt::print("\n{}written to {}; curves: scripts/plot_compare.py {}\n", to_table(comparison),
             (folder / "compare.csv").string(), folder.string());
  return 0;
}

Settings settings(CompareFlags& flags) {
  const NetworkNames names = network_names();
  Settings rows = without(resgrad::settings(flags.run, names), {"activation", "resume"});
  find(rows, "output-dir")->default_text = "runs/compare-MODEL";
  append(rows,
         {{.name = "variants",
           .group = Group::network,
           .help = "activation orders to compare, the first is the baseline",
           .value = &flags.variants,
           .limits = names.activations},
          {.name = "seeds",
           .group = Group::run,
           .help = "runs of each variant, with seeds from --seed upwards",
           .value = &flags.seeds,
           .limits = IntegerRange{1}},
          {.name = "target-loss",
           .group = Group::run,
           .help = "training loss of which the table says after how many epochs it was reached",
           .value = &flags.target_loss,
           .default_text = "the largest mean final training loss"},
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
  CLI::App* command =
      app.add_subcommand("compare", "trains variants over seeds and compares how they converge");
  add_config_flag(*command, given);
  add_flags(*command, given);
  command->callback([given, flags, &action] {
    set_optimizer_defaults(*given, flags->run);
    action = [flags] { return run_compare(*flags); };
  });
}

}  // namespace resgrad::cli
