#include "train/cli/network.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/check.h"
#include "data/class_names.h"
#include "data/datasets.h"
#include "train/cli/flags.h"
#include "train/cli/output.h"
#include "train/io/file_kind.h"
#include "train/resume.h"

namespace resgrad::cli {
namespace {

constexpr std::int64_t kImageSize = 32;  // decides on the stem where the file does not say

}  // namespace

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
  try {
    return read_checkpoint(checkpoint, CheckpointPart::network);
  } catch (const IoError& error) {
    throw IoError(error.what() + advice(checkpoint));
  }
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
  const CheckpointInfo& info = read.info;
  models::Options options = model_options({.model = info.model,
                                           .activation = info.activation,
                                           .shortcut = info.shortcut,
                                           .stem = info.stem},
                                          kImageSize, info.num_classes);
  options.fields.merge(models::parse_fields(info.network));
  options.initialise = false;
  LoadedNetwork loaded{.info = info,
                       .config = models::configure(info.model, options),
                       .net = models::make(info.model, options),
                       .normalisation = data::normalisation(info.normalisation)};
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

std::shared_ptr<const data::Dataset> load_test_set(const CheckpointInfo& info,
                                                   const std::string& dataset,
                                                   const std::string& data_path) {
  const std::string name = dataset.empty() ? info.dataset : dataset;
  data::LoadOptions options{.name = name, .path = find_data(name, data_path)};
  if (name == "folder") {
    options.folder.classes = info.class_names;
    if (info.image_size > 0) options.folder.image_size = static_cast<int>(info.image_size);
  }
  auto images = data::load_test_set(options);
  for (const std::string& warning : images->warnings) print_error("resgrad: {}\n", warning);
  return images;
}

std::vector<std::string> class_names(const CheckpointInfo& info) {
  return info.class_names.empty() ? data::class_names(info.dataset, info.num_classes)
                                  : info.class_names;
}

std::string to_text(const data::Normalisation& normalisation) {
  return fmt::format("mean {}, deviation {}", fmt::join(normalisation.mean, ", "),
                     fmt::join(normalisation.std, ", "));
}

}  // namespace resgrad::cli
