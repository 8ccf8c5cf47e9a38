#include "train/cli/network.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include "core/check.h"
#include "data/class_names.h"
#include "data/datasets.h"
#include "models/layout.h"
#include "models/registry.h"
#include "train/cli/flags.h"
#include "train/cli/output.h"
#include "train/io/file_kind.h"
#include "train/resume.h"
#include "train/run_data.h"
#include "train/run_record.h"

namespace resgrad::cli {

ResNetConfig network_of(const CheckpointInfo& info) {
  models::Options options = model_options({.model = info.model,
                                           .activation = info.activation,
                                           .shortcut = info.shortcut,
                                           .stem = info.stem},
                                          kImageSize, info.num_classes);
  options.fields.merge(models::parse_fields(info.network));
  return models::configure(info.model, options);
}

std::string advice(const std::filesystem::path& file) {
  const std::string_view kind = file_kind(file);
  if (is_pytorch(kind)) {
    return fmt::format(
        "; write its tensors to a file for resgrad import, in Python (pip install safetensors):\n"
        "import torch; from safetensors.torch import save_file; w = torch.load(\"{}\", \"cpu\", "
        "weights_only=True)\n"
        "save_file({{k: v.contiguous() for k, v in w.get(\"state_dict\", w).items()}}, "
        "\"w.safetensors\")",
        file.string());
  }
  if (kind == "a folder") {
    for (const std::string_view name : {kBestFile, kLastFile}) {
      if (std::filesystem::exists(file / name)) {
        return fmt::format("; it holds {}", (file / name).string());
      }
    }
  }
  return "";
}

Checkpoint read_network(const std::filesystem::path& checkpoint) {
  Checkpoint read;
  try {
    read = read_checkpoint(checkpoint, CheckpointPart::network);
  } catch (const IoError& error) {
    throw IoError(error.what() + advice(checkpoint));
  }
  if (read.info.layout.empty()) return read;
  const ResNetConfig config = network_of(read.info);
  const auto net = models::make(config, 0, /*initialise=*/false);
  models::load_state_in_layout(*net, config, read.info.layout, read.model);
  read.model = net->state_dict();
  read.info.layout.clear();
  return read;
}

std::string other_fields(models::Fields fields) {
  for (const char* name : {"activation", "shortcut", "stem", "zero_init_residual"}) {
    fields.erase(name);
  }
  return models::to_text(fields);
}

void take_network(NetworkOptions& options, const CheckpointInfo& info, Settings& given) {
  if (find(given, "model")->given) return;
  options.model = info.model;
  models::Fields fields = models::parse_fields(info.network);
  fields.insert(
      {{"activation", info.activation}, {"shortcut", info.shortcut}, {"stem", info.stem}});
  for (const NetworkField& field : kNetworkFields) {
    std::string key(field.name);
    std::ranges::replace(key, '-', '_');
    const auto text = fields.extract(key);
    const Setting* row = find(given, field.name);
    if (!text.empty() && (row == nullptr || !row->given)) options.*field.value = text.mapped();
  }
  if (fields.empty()) return;
  throw ValueError(
      fmt::format("weights: network: expected fields that are flags of train, got {}={}",
                  fields.begin()->first, fields.begin()->second));
}

LoadedNetwork load_network(const std::filesystem::path& checkpoint) {
  const Checkpoint read = read_network(checkpoint);
  const ResNetConfig config = network_of(read.info);
  LoadedNetwork loaded{.info = read.info,
                       .config = config,
                       .net = models::make(config, 0, /*initialise=*/false),
                       .normalisation = data::normalisation(read.info.normalisation)};
  loaded.net->load_state_dict(read.model);
  loaded.net->eval();
  return loaded;
}

std::int64_t image_size(const CheckpointInfo& info) {
  if (info.image_size > 0) return info.image_size;
  const bool small =
      info.stem == "cifar" || info.dataset.starts_with("cifar") || info.dataset == "synthetic";
  return small ? 32 : kImageNetSize;
}

std::filesystem::path settings_file(const std::filesystem::path& checkpoint) {
  return checkpoint.parent_path() / "args.json";
}

namespace {

// The settings of the run that wrote a weights file; nothing when neither the file nor an args.json
// beside it has them.
std::optional<RunOptions> settings_of_run(const std::filesystem::path& checkpoint) {
  const auto state = read_checkpoint(checkpoint, CheckpointPart::header).state;
  if (state) return from_json(state->settings);
  const std::filesystem::path file = settings_file(checkpoint);
  std::ifstream in(file);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  try {
    return from_json(text.str());
  } catch (const ValueError& error) {
    throw IoError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

std::shared_ptr<const data::Dataset> load_test_set(const CheckpointInfo& info,
                                                   const std::string& dataset,
                                                   const std::string& data_path) {
  const std::string name = dataset.empty() ? info.dataset : dataset;
  data::LoadOptions options{.name = name, .path = find_data(name, data_path)};
  if (name == "folder") {
    options.folder.classes = info.class_names;
    options.folder.exif_transpose = info.exif_transpose;
    options.folder.skip_damaged = info.skip_damaged;
    if (info.image_size > 0) options.folder.image_size = static_cast<int>(info.image_size);
  }
  auto images = data::load_test_set(options);
  for (const std::string& warning : images->warnings) print_error("resgrad: {}\n", warning);
  return images;
}

std::shared_ptr<const data::Dataset> load_part(const std::filesystem::path& checkpoint,
                                               const CheckpointInfo& info, std::string_view part,
                                               const std::string& dataset,
                                               const std::string& data_path) {
  std::optional<RunOptions> run = settings_of_run(checkpoint);
  require<ValueError>(run.has_value(),
                      "--split: {}: expected the settings of the run, which say what it trained "
                      "on, in the file or in args.json beside it, found neither",
                      checkpoint.string());
  require<ValueError>(run->dataset == info.dataset && (dataset.empty() || dataset == run->dataset),
                      "--split: {}: expected {}, of which the run took its {} images, got {}",
                      checkpoint.string(), run->dataset, part,
                      dataset.empty() ? info.dataset : dataset);
  data::LoadOptions options = load_options(*run, find_data(run->dataset, data_path));
  options.folder.classes = info.class_names;
  const data::DataSplits data = data::load_data(options);
  for (const std::string& warning : data.warnings) print_error("resgrad: {}\n", warning);
  if (part == "train") return data.train;
  require<ValueError>(data.test_name == "validation",
                      "--split: {}: expected a run with images for validation, got one that was "
                      "evaluated on the {} set; --val-split of train holds some out",
                      checkpoint.string(), data.test_name);
  return data.test;
}

}  // namespace

std::shared_ptr<const data::Dataset> load_split(const std::filesystem::path& checkpoint,
                                                const CheckpointInfo& info, std::string_view split,
                                                const std::string& dataset,
                                                const std::string& data_path) {
  return split == "test" ? load_test_set(info, dataset, data_path)
                         : load_part(checkpoint, info, split, dataset, data_path);
}

std::vector<std::string> class_names(const CheckpointInfo& info) {
  return info.class_names.empty() ? data::class_names(info.dataset, info.num_classes)
                                  : info.class_names;
}

std::string to_text(const data::Normalisation& normalisation) {
  return fmt::format("mean {:.4g}, deviation {:.4g}", fmt::join(normalisation.mean, ", "),
                     fmt::join(normalisation.std, ", "));
}

}  // namespace resgrad::cli
