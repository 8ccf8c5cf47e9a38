#include "train/cli/flags.h"

#include <omp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "core/check.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "core/parallel.h"
#include "data/datasets.h"
#include "models/layout.h"
#include "train/cli/output.h"
#include "train/inference.h"

namespace resgrad::cli {

namespace {

std::string underscored(std::string_view name) {
  std::string text(name);
  std::ranges::replace(text, '-', '_');
  return text;
}

const models::FieldInfo& field_info(std::string_view name) {
  return *std::ranges::find(models::field_infos(), underscored(name), &models::FieldInfo::name);
}

}  // namespace

CLI::App& add_command(CLI::App& app, const std::string& name, const std::string& description) {
  return *app.add_subcommand(name, description);
}

std::vector<std::string> words_of(const CLI::App& command, const std::string& flag) {
  return command.get_option(flag)->results();
}

void on_chosen(CLI::App& command, std::function<void()> f) {
  command.callback(std::move(f));
}

void validation_error(const std::string& text) {
  throw CLI::ValidationError(text);
}

NetworkWords network_words() {
  return {.models = models::names,
          .help = [](std::string_view field) -> std::string_view { return field_info(field).help; },
          .placeholder = [](std::string_view field) -> std::string_view {
            const std::string_view values = field_info(field).values;
            if (values.find('|') != values.npos) return values;
            return values.starts_with("numbers") ? "N,N,..." : values == "a number" ? "X" : "N";
          }};
}

Setting tta_setting(std::string& tta) {
  return {
      .name = "tta",
      .group = Group::data,
      .help =
          "test-time augmentation, the mean logits of: image and mirror image (flip), or also of "
          "both moved by a pixel (multicrop)",
      .value = &tta,
      .limits = names_in<kTtaNames>};
}

Setting batch_size_setting(std::int64_t& batch_size) {
  return {.name = "batch-size",
          .group = Group::run,
          .help = "images at a time",
          .value = &batch_size,
          .limits = IntegerRange{1},
          .also = "-b"};
}

Setting json_setting(bool& json) {
  return {.name = "json", .group = Group::output, .help = "print one JSON object", .value = &json};
}

Settings checkpoint_data_settings(std::string& dataset, std::string& data_path) {
  Settings rows = data_settings(dataset, data_path);
  rows[0].default_text = "the checkpoint's";
  return rows;
}

Setting split_setting(std::string& split) {
  return {.name = "split",
          .group = Group::data,
          .help = "the images of the test set, or those that the run held out or trained on",
          .value = &split,
          .limits = [] {
            return std::vector<std::string>{"test", "val", "train"};
          }};
}

Setting checkpoint_setting(std::string& checkpoint) {
  return {.name = "checkpoint",
          .group = Group::network,
          .help = "weights file of train or import",
          .value = &checkpoint,
          .placeholder = "FILE",
          .required = true};
}

Setting layout_setting(std::string& layout) {
  return {.name = "layout",
          .group = Group::network,
          .help = "whose names the tensors have",
          .value = &layout,
          .limits = models::layout_names,
          .required = true};
}

void add_flags(CLI::App& command, const std::shared_ptr<Settings>& rows) {
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const Setting& row = (*rows)[i];
    const std::string flag = fmt::format("{}{}", row.positional ? "" : "--", row.name);
    const auto take = [rows, i, flag](const CLI::results_t& words) {
      try {
        assign((*rows)[i], words);
      } catch (const ValueError& error) {
        throw CLI::ValidationError(flag, error.what());
      }
      return true;
    };
    CLI::Option* option = command.add_option(
        row.also.empty() ? flag : fmt::format("{},{}", row.also, flag), take, help_text(row));
    option->group(std::string(title(row.group)))
        ->option_text(value_text(row))
        ->required(row.required);
    if (is_switch(row)) {
      option->expected(0)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    } else {
      // so that assign() refuses a flag that is given twice, in its own words
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
    if (is_list(row)) option->expected(1, CLI::detail::expected_max_vector_size);
    if (row.positional) option->allow_extra_args();
  }
}

std::shared_ptr<Settings> add_flags(CLI::App& command, Settings rows) {
  auto kept = std::make_shared<Settings>(std::move(rows));
  add_flags(command, kept);
  return kept;
}

void require_effect(const Settings& given, Settings now) {
  for (const Setting& setting : given) {
    const Setting* row = find(now, setting.name);
    if (setting.given && row != nullptr && !row->only_with.holds) {
      throw CLI::ValidationError(
          fmt::format("--{}", setting.name),
          fmt::format("expected only {}, got it otherwise", row->only_with.text));
    }
  }
}

int at_most(std::string_view flag, int asked, int most) {
  if (asked <= most) return asked;
  print_error("resgrad: {}: {} threads are more than the {} that are used at most\n", flag, asked,
              most);
  return most;
}

void apply_machine_options(const MachineOptions& options) {
  constexpr int kMostThreads = 64;
  static const int at_start = num_threads();
  const int asked = options.threads == 0 ? at_start : options.threads;
  set_num_threads(at_most("--threads", asked, std::max(kMostThreads, omp_get_num_procs())));
  if (options.isa == "auto") {
    kernels::set_isa(kernels::best_isa());
  } else {
    const auto* isa = std::ranges::find_if(
        kernels::kAllIsas, [&](kernels::Isa candidate) { return name(candidate) == options.isa; });
    require<ValueError>(kernels::set_isa(*isa),
                        "--isa: expected an instruction set of this CPU (best: {}), got {}",
                        name(kernels::best_isa()), options.isa);
  }
  kernels::set_conv2d_engine(options.conv_engine);
}

std::string find_data(const std::string& dataset, const std::string& path) {
  const std::vector<std::string> known = data::dataset_names();
  require<ValueError>(std::ranges::find(known, dataset) != known.end(),
                      "--dataset: expected one of {}, got {}", fmt::join(known, ", "),
                      dataset.empty() ? "none" : dataset);
  if (dataset == "synthetic" || !path.empty()) return path;
  require<ValueError>(dataset != "folder",
                      "--data-path: expected the folder of the images, with train/CLASS/*.png or "
                      ".jpg in it, got none");
  const char* from_environment = std::getenv("RESGRAD_DATA");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  const bool cifar10 = dataset == "cifar10";
  std::string cached = cifar10 ? "data-cache/cifar-10-batches-bin" : "data-cache/cifar-100-binary";
  if (std::filesystem::exists(cached)) return cached;
  throw IoError(fmt::format(
      "{}: expected the data in --data-path, $RESGRAD_DATA or {}, found none; get {} or use "
      "--dataset synthetic",
      dataset, cached,
      cifar10 ? "CIFAR-10 with scripts/download_cifar10.sh"
              : "the binary version from https://www.cs.toronto.edu/~kriz/cifar.html"));
}

models::Options model_options(const NetworkOptions& o, std::int64_t image_size,
                              std::int64_t num_classes, std::uint64_t seed) {
  models::Options options{
      .num_classes = num_classes, .stem = models::default_stem(image_size), .seed = seed};
  for (const NetworkField& field : kNetworkFields) {
    const std::string& text = o.*field.value;
    if (!text.empty()) options.fields[underscored(field.name)] = text;
  }
  return options;
}

ResNetConfig checked_network(const NetworkOptions& o, std::int64_t image_size,
                             std::int64_t num_classes) {
  try {
    return models::configure(o.model, model_options(o, image_size, num_classes));
  } catch (const ValueError& error) {
    validation_error(error.what());
  }
}

void resolve_network(NetworkOptions& o, std::int64_t image_size) {
  constexpr std::int64_t kAnyClasses = 10;
  models::Fields fields;
  try {
    fields =
        models::to_fields(models::configure(o.model, model_options(o, image_size, kAnyClasses)));
  } catch (const ValueError&) {  // of another version of the program
    return;
  }
  for (const NetworkField& field : kNetworkFields) {
    const auto found = fields.find(underscored(field.name));
    o.*field.value = found != fields.end() ? found->second : "";
  }
}

}  // namespace resgrad::cli
