// resgrad train --dry-run: what a run would be and take.
#include "train/dry_run.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "models/summary.h"
#include "train/cli/flags.h"
#include "train/cli/output.h"
#include "train/cli/train_flags.h"
#include "train/log/progress.h"
#include "train/settings_without_effect.h"
#include "train/signals.h"

namespace resgrad::cli {
namespace {

// As on the command line; what is left to the program, in its words.
std::string value_of(const Setting& setting) {
  const nlohmann::ordered_json value = json_value(setting);
  std::string text;
  if (value.is_array()) {
    for (const auto& item : value) {
      text +=
          (text.empty() ? "" : ",") + (item.is_string() ? item.get<std::string>() : item.dump());
    }
  } else {
    text = value.is_string() ? value.get<std::string>() : value.dump();
  }
  if (!text.empty()) return text;
  return setting.default_text.empty() ? "none" : std::string(setting.default_text);
}

void print_settings(RunOptions o, std::int64_t image_size) {
  resolve_network(o, image_size);
  resolve_schedule(o);
  const Settings rows = without(settings(o), {"dry-run"});
  for (int g = 0; g < kGroups; ++g) {
    print_out("{}:\n", title(static_cast<Group>(g)));
    for (const Setting& row : rows) {
      if (row.group == static_cast<Group>(g)) {
        print_out("  {:<24}{}\n", row.name, value_of(row));
      }
    }
  }
}

void print_network(ResNet& net, std::int64_t image_size) {
  std::int64_t trained = 0;
  for (const NamedTensor& p : net.named_parameters()) {
    if (p.tensor.requires_grad()) trained += p.tensor.numel();
  }
  print_out(
      "\nnetwork     {} parameters, {} of them trained; {:.1f} million multiply-adds an image\n",
      net.parameter_count(), trained,
      static_cast<double>(multiply_adds(net, {1, 3, image_size, image_size})) / 1e6);
}

}  // namespace

int print_dry_run(const RunOptions& o, const data::DataSplits& data, const std::stop_token& stop) {
  for (const std::string& text : settings_without_effect(o)) print_error("resgrad: {}\n", text);
  for (const std::string& text : data.warnings) print_error("resgrad: {}\n", text);
  print_settings(o, data.train->height);
  const BuiltNetwork built = build_network(o, data);
  print_network(*built.net, data.train->height);
  const DryRun measured = dry_run(*built.net, data, o, stop);
  if (measured.interrupted) {
    print_error("resgrad: train: stopped by a signal before all was measured\n");
    return 128 + StopSignals::received();
  }
  const RunLength& length = measured.length;
  const double step = measured.median_step_seconds();
  print_out("data        {} images to train on, {} for the evaluation ({})\n",
            measured.data.train->size(), measured.data.test->size(), measured.data.test_name);
  print_out("run         {} epochs of {} updates of {} images; {} updates in all\n", length.epochs,
            length.steps_per_epoch, measured.images_per_step, length.total_steps);
  print_out(
      "step        {:.1f} ms (median of {}, {:.1f} to {:.1f}), {:.0f} images/s; {:.0f} % of it "
      "waits for data\n",
      1e3 * step, measured.step_seconds.size(), 1e3 * measured.step_seconds.front(),
      1e3 * measured.step_seconds.back(), static_cast<double>(measured.images_per_step) / step,
      100 * measured.wait_share);
  print_out("evaluation  {:.1f} s\n", measured.evaluation_seconds);
  print_out("all of it   {}\n", format_duration(measured.run_seconds()));
  return 0;
}

}  // namespace resgrad::cli
