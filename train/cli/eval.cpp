// resgrad eval: loss, accuracies and confusion matrix of a weights file.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "core/atomic_file.h"
#include "data/datasets.h"
#include "models/registry.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/evaluate.h"
#include "train/predictions.h"
#include "train/signals.h"

namespace resgrad::cli {
namespace {

struct EvalFlags : MachineOptions {
  std::string checkpoint, dataset, data_path;
  std::string tta = "none", split = "test", predictions;
  std::int64_t top_losses = 0;
  std::int64_t batch_size = 128;
  std::int64_t limit_eval_batches = 0;
  int workers = 1;
  bool json = false;
};

std::size_t cell(const Evaluation& e, int label, int predicted) {
  return static_cast<std::size_t>(label * e.classes + predicted);
}

// Samples of a class, and its recall in percent.
std::pair<std::int64_t, double> class_accuracy(const Evaluation& e, int label) {
  std::int64_t total = 0;
  for (int j = 0; j < e.classes; ++j) total += e.confusion[cell(e, label, j)];
  const std::int64_t hits = e.confusion[cell(e, label, label)];
  return {total, total == 0 ? 0 : 100.0 * static_cast<double>(hits) / static_cast<double>(total)};
}

// What was evaluated, and what came out.
struct Result {
  const LoadedNetwork& loaded;
  const data::Dataset& dataset;
  std::string_view split;
  const Evaluation& evaluation;
  std::vector<Prediction> top_losses;
};

std::string file_of(const Result& r, const Prediction& p) {
  return r.dataset.files.empty() ? "" : r.dataset.files[static_cast<std::size_t>(p.index)];
}

const std::string& class_name(const Result& r, std::int64_t number) {
  return r.dataset.class_names[static_cast<std::size_t>(number)];
}

void print_top_losses(const Result& r) {
  if (r.top_losses.empty()) return;
  print_out("\nlargest losses\n{:>8}{:>10}  {:<16}{:<16}{:>13}\n", "image", "loss", "label",
            "predicted", "probability");
  for (const Prediction& p : r.top_losses) {
    print_out("{:>8}{:>10.4f}  {:<16}{:<16}{:>11.2f} %  {}\n", r.dataset.place(p.index), p.loss,
              class_name(r, p.label), class_name(r, p.predicted), 100 * p.probability,
              file_of(r, p));
  }
}

void print_as_text(const Result& r) {
  const auto& [loaded, dataset, split, e, top] = r;
  print_out("{} (epoch {}, step {}) on {} {} {} images\n",
            models::describe(loaded.info.model, loaded.config), loaded.info.epoch, loaded.info.step,
            e.samples, dataset.name, split);
  print_out("loss {:.4f}  top-1 {:.2f} %  top-5 {:.2f} %\n\n", e.loss, e.top1, e.top5);
  print_out("{:<16}{:>8}{:>10}\n", "class", "images", "top-1");
  for (int c = 0; c < e.classes; ++c) {
    const auto [total, accuracy] = class_accuracy(e, c);
    print_out("{:<16}{:>8}{:>8.2f} %\n", dataset.class_names[static_cast<std::size_t>(c)], total,
              accuracy);
  }
  print_top_losses(r);
  if (e.classes > 20) return;  // wider than a terminal
  print_out("\nconfusion: rows are labels, columns predictions\n{:<16}", "");
  for (int j = 0; j < e.classes; ++j) print_out("{:>6}", j);
  print_out("\n");
  for (int c = 0; c < e.classes; ++c) {
    print_out("{:<2} {:<13}", c, dataset.class_names[static_cast<std::size_t>(c)]);
    for (int j = 0; j < e.classes; ++j) print_out("{:>6}", e.confusion[cell(e, c, j)]);
    print_out("\n");
  }
}

void print_as_json(const Result& r) {
  const auto& [loaded, dataset, split, e, top] = r;
  nlohmann::ordered_json json = {{"model", loaded.info.model},
                                 {"dataset", dataset.name},
                                 {"split", split},
                                 {"images", e.samples},
                                 {"loss", e.loss},
                                 {"top1", e.top1},
                                 {"top5", e.top5}};
  for (int c = 0; c < e.classes; ++c) {
    const auto [total, accuracy] = class_accuracy(e, c);
    json["classes"].push_back({{"name", dataset.class_names[static_cast<std::size_t>(c)]},
                               {"images", total},
                               {"top1", accuracy}});
    const auto row = e.confusion.begin() + static_cast<std::ptrdiff_t>(cell(e, c, 0));
    json["confusion"].push_back(std::vector<std::int64_t>(row, row + e.classes));
  }
  for (const Prediction& p : top) {
    json["top_losses"].push_back({{"index", dataset.place(p.index)},
                                  {"file", file_of(r, p)},
                                  {"label", class_name(r, p.label)},
                                  {"predicted", class_name(r, p.predicted)},
                                  {"probability", p.probability},
                                  {"loss", p.loss}});
  }
  print_json(json);
}

int run_eval(const EvalFlags& flags) {
  apply_machine_options(flags);
  const LoadedNetwork loaded = load_network(flags.checkpoint);
  const CheckpointInfo& info = loaded.info;
  const std::string& name = flags.dataset.empty() ? info.dataset : flags.dataset;
  require_not_read("eval", "--predictions", flags.predictions,
                   {flags.checkpoint, settings_file(flags.checkpoint).string(),
                    find_data(name, flags.data_path)});
  std::optional<AtomicFile>
      table;  // before the evaluation: a folder that is not there is found now
  if (!flags.predictions.empty()) table.emplace(flags.predictions);
  const auto dataset =
      load_split(flags.checkpoint, info, flags.split, flags.dataset, flags.data_path);
  require<ValueError>(dataset->num_classes == info.num_classes,
                      "eval: dataset: expected {} classes as in {}, got {} with {}",
                      info.num_classes, flags.checkpoint, dataset->name, dataset->num_classes);
  data::Loader loader(dataset,
                      {.batch_size = flags.batch_size,
                       .normalisation = loaded.normalisation,
                       .workers = at_most("--workers", flags.workers, data::kMostWorkers)});
  std::vector<Prediction> predictions;
  EvaluateOptions options{.limit_batches = flags.limit_eval_batches,
                          .tta = parse_in(kTtaNames, "--tta", flags.tta)};
  if (!flags.predictions.empty() || flags.top_losses > 0) {
    options.prediction = [&predictions](const Prediction& p) { predictions.push_back(p); };
  }
  const StopSignals signals;
  options.stop = signals.token();
  const Evaluation evaluation = evaluate(*loaded.net, loader, dataset->num_classes, options);
  require<StateError>(evaluation.nonfinite.empty(), "eval: {}: expected a finite loss, got {}: {}",
                      flags.checkpoint, evaluation.loss, evaluation.nonfinite);
  if (evaluation.interrupted) {
    print_error("resgrad: eval: stopped by a signal after {} of {} images\n", evaluation.samples,
                dataset->size());
    return 128 + StopSignals::received();
  }
  (flags.json ? print_as_json : print_as_text)(
      {loaded, *dataset, flags.split, evaluation, top_losses(predictions, flags.top_losses)});
  if (table) {
    const std::string csv = predictions_csv(predictions, *dataset);
    table->write(std::as_bytes(std::span(csv)));
    table->commit();
  }
  return 0;
}

Settings settings(EvalFlags& flags) {
  Settings rows = {checkpoint_setting(flags.checkpoint)};
  append(rows, checkpoint_data_settings(flags.dataset, flags.data_path));
  append(rows, {split_setting(flags.split),
                tta_setting(flags.tta),
                batch_size_setting(flags.batch_size),
                {.name = "limit-eval-batches",
                 .group = Group::run,
                 .help = "batches after which to end; 0: no limit",
                 .value = &flags.limit_eval_batches},
                {.name = "predictions",
                 .group = Group::output,
                 .help = "table to write, with a row for each image",
                 .value = &flags.predictions,
                 .default_text = "none",
                 .placeholder = "FILE"},
                {.name = "top-losses",
                 .group = Group::output,
                 .help = "print so many of the images with the largest losses",
                 .value = &flags.top_losses},
                json_setting(flags.json),
                {.name = "workers",
                 .group = Group::machine,
                 .help = "threads that load data; 0: none of their own",
                 .value = &flags.workers,
                 .also = "-j"}});
  append(rows, machine_settings(flags));
  return rows;
}

}  // namespace

void add_eval(CLI::App& app, Action& action) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App& command = add_command(app, "eval", "evaluates a weights file on the test set");
  add_flags(command, settings(*flags));
  on_chosen(command, [flags, &action] { action = [flags] { return run_eval(*flags); }; });
}

}  // namespace resgrad::cli
