// resgrad find-lr: a learning-rate range test.
#include <fmt/format.h>

#include <memory>
#include <span>

#include "core/atomic_file.h"
#include "data/loader.h"
#include "train/cli/commands.h"
#include "train/cli/config.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/cli/run.h"
#include "train/cli/train_flags.h"
#include "train/lr_range.h"
#include "train/run_data.h"
#include "train/signals.h"

namespace resgrad::cli {
namespace {

struct FindLrFlags {
  RunOptions run;
  LrRangeOptions range;
  std::string output = "find-lr.csv";
  std::vector<std::string> inputs = {};  // files of settings
};

void print_range(const LrRange& range) {
  const std::vector<LrPoint>& points = range.points();
  print_out("{} updates at learning rates from {:.3g} to {:.3g}{}\n", points.size(),
            points.front().lr, points.back().lr,
            range.diverged() ? ", where the loss diverged" : "");
  const LrPoint& lowest = points[*range.lowest()];
  if (const auto lr = range.suggestion()) {
    print_out("suggested: --lr {:.2g}, a tenth of the rate with the lowest smoothed loss\n", *lr);
    print_out("the smoothed loss fell steepest at {:.2g} and was lowest, {:.4f}, at {:.2g}\n",
              points[*range.steepest()].lr, lowest.smoothed, lowest.lr);
  } else {
    print_out("no suggestion: the smoothed loss did not fall\n");
  }
}

int run_find_lr(FindLrFlags flags) {
  RunOptions& o = flags.run;
  apply_machine_options(o);
  o.workers = at_most("--workers", o.workers, data::kMostWorkers);
  o.data_path = find_data(o.dataset, o.data_path);
  flags.inputs.insert(flags.inputs.end(), {o.weights, o.data_path});
  require_not_read("find-lr", "--output", flags.output, flags.inputs);
  AtomicFile table(flags.output);  // before the updates: a folder that is not there is found now
  const StopSignals signals;
  data::LoadOptions load = load_options(o, o.data_path);
  load.folder.write_cache = false;
  const data::DataSplits data = data::load_data(load);
  for (const std::string& warning : data.warnings) print_error("resgrad: {}\n", warning);
  const BuiltNetwork built = build_network(o, data);
  const LrRange range = find_lr(*built.net, data, o, flags.range, signals.token());
  if (!range.finished()) {
    print_error("resgrad: find-lr: stopped by a signal after {} of {} updates\n",
                range.points().size(), flags.range.steps);
    return 128 + StopSignals::received();
  }
  require<StateError>(!range.points().empty(),
                      "find-lr: expected a finite loss at the rate {}, the first, got none",
                      flags.range.start);
  print_range(range);
  const std::string csv = to_csv(range);
  table.write(std::as_bytes(std::span(csv)));
  table.commit();
  print_out("written to {}; curve: scripts/plot_find_lr.py {}\n", flags.output,
            shell_quoted(flags.output));
  return 0;
}

// All of train, so that its files of settings are taken; a start of its own is none.
Settings settings(FindLrFlags& flags) {
  Settings rows =
      without(resgrad::settings(flags.run, network_words()), {"resume", "overwrite", "dry-run"});
  append(rows, {{.name = "start-lr",
                 .group = Group::run,
                 .help = "learning rate of the first update",
                 .value = &flags.range.start,
                 .limits = kAboveZero},
                {.name = "end-lr",
                 .group = Group::run,
                 .help = "learning rate of the last update, unless the loss diverges before",
                 .value = &flags.range.end,
                 .limits = kAboveZero},
                {.name = "steps",
                 .group = Group::run,
                 .help = "updates, at rates that grow by the same factor each time",
                 .value = &flags.range.steps,
                 .limits = IntegerRange{20}},
                {.name = "output",
                 .group = Group::output,
                 .help = "table of rates and losses to write",
                 .value = &flags.output,
                 .placeholder = "FILE"}});
  return rows;
}

}  // namespace

void add_find_lr(CLI::App& app, Action& action) {
  auto flags = std::make_shared<FindLrFlags>();
  auto given = std::make_shared<Settings>(settings(*flags));
  CLI::App& command =
      add_command(app, "find-lr", "trains at growing learning rates and suggests one");
  add_config_flag(command, given);
  add_flags(command, given);
  on_chosen(command, [given, flags, &command, &action] {
    RunOptions& o = flags->run;
    flags->inputs = words_of(command, "--config");
    set_optimizer_defaults(*given, o);
    if (!o.weights.empty()) take_network(o, read_network(o.weights).info, *given);
    check_settings(o);
    try {
      const LrRange checked(flags->range);
    } catch (const ValueError& error) {
      validation_error(error.what());
    }
    action = [flags] { return run_find_lr(*flags); };
  });
}

}  // namespace resgrad::cli
