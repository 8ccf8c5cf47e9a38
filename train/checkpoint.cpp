#include "train/checkpoint.h"

#include <charconv>

#include "core/check.h"
#include "train/safetensors.h"

namespace resgrad {
namespace {

constexpr const char* kFormatVersion = "1";
constexpr std::string_view kModelPrefix = "model.";

std::int64_t to_int(const std::filesystem::path& file, const std::string& key,
                    const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require<IoError>(error == std::errc() && end == text.data() + text.size() && !text.empty(),
                   "checkpoint: {}: {}: expected an integer, got {}", file.string(), key, text);
  return value;
}

}  // namespace

void save_weights(const std::filesystem::path& file, const Module& net,
                  const CheckpointInfo& info) {
  TensorFile contents;
  for (const NamedTensor& t : net.state_dict()) {
    contents.tensors.push_back({std::string(kModelPrefix) + t.name, t.tensor.detach()});
  }
  contents.metadata = {
      {"format", "resgrad"},
      {"format_version", kFormatVersion},
      {"model", info.model},
      {"activation", info.activation},
      {"shortcut", info.shortcut},
      {"stem", info.stem},
      {"dataset", info.dataset},
      {"normalisation", info.normalisation.empty() ? info.dataset : info.normalisation},
      {"num_classes", std::to_string(info.num_classes)},
      {"epoch", std::to_string(info.epoch)},
      {"step", std::to_string(info.step)}};
  write_safetensors(file, contents);
}

CheckpointInfo read_checkpoint_info(const std::filesystem::path& file) {
  const TensorFile contents = read_safetensors(file);
  const auto field = [&](const std::string& key) {
    const auto found = contents.metadata.find(key);
    require<IoError>(found != contents.metadata.end(),
                     "checkpoint: {}: expected the metadata field {}, found none (not a file of "
                     "resgrad train?)",
                     file.string(), key);
    return found->second;
  };
  require<IoError>(field("format_version") == kFormatVersion,
                   "checkpoint: {}: expected format version {}, got {}", file.string(),
                   kFormatVersion, field("format_version"));
  return {.model = field("model"),
          .activation = field("activation"),
          .shortcut = field("shortcut"),
          .stem = field("stem"),
          .dataset = field("dataset"),
          .normalisation = field("normalisation"),
          .num_classes = to_int(file, "num_classes", field("num_classes")),
          .epoch = to_int(file, "epoch", field("epoch")),
          .step = to_int(file, "step", field("step"))};
}

void load_weights(const std::filesystem::path& file, Module& net) {
  std::vector<NamedTensor> state;
  for (NamedTensor& t : read_safetensors(file).tensors) {
    if (t.name.starts_with(kModelPrefix)) {
      state.push_back({t.name.substr(kModelPrefix.size()), std::move(t.tensor)});
    }
  }
  net.load_state_dict(state);
}

}  // namespace resgrad
