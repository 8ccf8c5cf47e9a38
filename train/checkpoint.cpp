#include "train/checkpoint.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "core/atomic_file.h"
#include "core/check.h"
#include "core/text.h"
#include "train/io/nesting.h"
#include "train/io/safetensors.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kFormatVersion = "2";
constexpr std::string_view kModelPrefix = "model.", kOptimizerPrefix = "optimizer.",
                           kEmaPrefix = "ema.";

void add_tensors(TensorFile& to, std::string_view prefix, const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& t : tensors) {
    to.tensors.push_back({std::string(prefix) + t.name, t.tensor.detach()});
  }
}

std::vector<NamedTensor> tensors_under(std::string_view prefix, const TensorFile& file) {
  std::vector<NamedTensor> tensors;
  for (const NamedTensor& t : file.tensors) {
    if (t.name.starts_with(prefix)) tensors.push_back({t.name.substr(prefix.size()), t.tensor});
  }
  return tensors;
}

std::string to_text(const TrainState& s) {
  return Json{{"epoch_step", s.epoch_step},
              {"images", s.loss.weight()},
              {"loss_sum", s.loss.sum()},
              {"top1_sum", s.top1.sum()},
              {"seconds", s.seconds},
              {"best_top1", s.best_top1},
              {"best_step", s.best_step},
              {"skipped", s.skipped},
              {"train_images", s.train_images},
              {"data", s.data},
              {"settings", Json::parse(s.settings)},
              {"machine", s.machine},
              {"metrics", metrics_csv(s.epochs)}}
      .dump();
}

// Of a number with a point the library would make some integer, of one above 2^63 a negative one.
std::int64_t count(const Json& state, const char* key, const fs::path& file) {
  const Json& value = state.at(key);
  require<IoError>(
      value.is_number_unsigned() && std::in_range<std::int64_t>(value.get<std::uint64_t>()),
      "checkpoint: {}: training: {}: expected a whole number below 2^63, got {}", file.string(),
      key, value.dump());
  return value.get<std::int64_t>();
}

// For files of earlier versions, which do not say which of equal ones is the best.
std::int64_t step_with_top1(const std::vector<EpochMetrics>& epochs, double top1) {
  for (const EpochMetrics& row : epochs) {
    if (decisive_evaluation(row).top1 == top1) return row.step;
  }
  return 0;
}

TrainState parse_state(const std::string& text, const fs::path& file) {
  try {
    require<IoError>(!is_nested_too_deeply(text),
                     "checkpoint: {}: training: expected values nested at most {} deep, got more",
                     file.string(), kMostNested);
    const Json json = Json::parse(text);
    const std::int64_t images = count(json, "images", file);
    const Json &seconds = json.at("seconds"), &settings = json.at("settings");
    require<IoError>(settings.is_object(),
                     "checkpoint: {}: training: settings: expected an object, got {}",
                     file.string(), settings.type_name());
    TrainState state{
        .epoch_step = count(json, "epoch_step", file),
        .loss = Meter(json.at("loss_sum"), images),
        .top1 = Meter(json.at("top1_sum"), images),
        .seconds = seconds.is_null() ? std::nan("") : seconds.get<double>(),
        .best_top1 = json.at("best_top1"),
        .skipped = count(json, "skipped", file),
        .train_images = count(json, "train_images", file),
        .data = json.value("data", ""),
        .epochs = parse_metrics_csv(json.at("metrics").get<std::string>(), file.string()),
        .settings = settings.dump(),
        .machine = json.at("machine")};
    state.best_step = json.contains("best_step") ? count(json, "best_step", file)
                                                 : step_with_top1(state.epochs, state.best_top1);
    return state;
  } catch (const Json::exception& error) {
    throw IoError(fmt::format("checkpoint: {}: training: expected the state of a run, got: {}",
                              file.string(), error.what()));
  }
}

// The fields of the metadata.
class Fields {
 public:
  Fields(const std::map<std::string, std::string>& metadata, const fs::path& file)
      : metadata_(metadata), file_(file) {}

  const std::string& text(const std::string& key) const {
    const auto found = metadata_.find(key);
    require<IoError>(
        found != metadata_.end(),
        "checkpoint: {}: expected the metadata field {}, as files of resgrad train and "
        "resgrad import have it, found none",
        file_.string(), key);
    return found->second;
  }

  std::string text_or_none(const std::string& key) const {
    return metadata_.contains(key) ? text(key) : "";
  }

  std::int64_t integer(const std::string& key) const {
    const auto value = number_in<std::int64_t>(text(key));
    require<IoError>(value.has_value(), "checkpoint: {}: {}: expected an integer, got \"{}\"",
                     file_.string(), key, text(key));
    return *value;
  }

 private:
  const std::map<std::string, std::string>& metadata_;
  const fs::path& file_;
};

// Makes room for a new `file`. A hard link leaves `file` in its place meanwhile; where there are
// none, it is moved.
void keep_previous(const fs::path& file, int keep) {
  std::error_code ignored;
  if (keep < 1 || !fs::exists(file, ignored)) return;
  for (int n = keep; n >= 2; --n) {
    fs::rename(previous_file(file, n - 1), previous_file(file, n), ignored);
  }
  fs::remove(previous_file(file, 1), ignored);
  std::error_code error;
  fs::create_hard_link(file, previous_file(file, 1), error);
  if (error) fs::rename(file, previous_file(file, 1), ignored);
}

TensorFile to_file(const Checkpoint& checkpoint) {
  const CheckpointInfo& info = checkpoint.info;
  const bool foreign = !info.layout.empty();
  TensorFile contents{.metadata = {{"format", foreign ? "pt" : "resgrad"},  // as PyTorch's own say
                                   {"format_version", kFormatVersion},
                                   {"model", info.model},
                                   {"activation", info.activation},
                                   {"shortcut", info.shortcut},
                                   {"stem", info.stem},
                                   {"dataset", info.dataset},
                                   {"normalisation",
                                    info.normalisation.empty() ? info.dataset : info.normalisation},
                                   {"num_classes", std::to_string(info.num_classes)},
                                   {"epoch", std::to_string(info.epoch)},
                                   {"step", std::to_string(info.step)}},
                      .checksum = true};
  if (foreign) contents.metadata["layout"] = info.layout;
  if (!info.network.empty()) contents.metadata["network"] = info.network;
  if (!info.class_names.empty()) {
    contents.metadata["class_names"] = fmt::format("{}", fmt::join(info.class_names, "/"));
    contents.metadata["image_size"] = std::to_string(info.image_size);
    if (!info.exif_transpose) contents.metadata["exif_transpose"] = "false";
    if (info.skip_damaged) contents.metadata["skip_damaged"] = "true";
  }
  if (checkpoint.state) contents.metadata["training"] = to_text(*checkpoint.state);
  add_tensors(contents, foreign ? "" : kModelPrefix, checkpoint.model);
  add_tensors(contents, kOptimizerPrefix, checkpoint.optimizer);
  add_tensors(contents, kEmaPrefix, checkpoint.ema);
  add_tensors(contents, "", checkpoint.others);
  return contents;
}

}  // namespace

fs::path previous_file(const fs::path& file, int n) {
  return file.parent_path() /
         fmt::format("{}.{}{}", file.stem().string(), n, file.extension().string());
}

void write_checkpoint(const fs::path& file, const Checkpoint& checkpoint, int keep) {
  const TensorFile contents = to_file(checkpoint);
  AtomicFile out(file);
  write_safetensors(out, contents);
  out.flush();  // the new one is safe on the disk before the old ones move
  keep_previous(file, keep);
  out.commit();
}

CheckpointInfo parse_checkpoint_info(const std::map<std::string, std::string>& metadata,
                                     const fs::path& file) {
  const Fields fields(metadata, file);
  require<IoError>(fields.text("format_version") == kFormatVersion,
                   "checkpoint: {}: expected format version {}, got {}", file.string(),
                   kFormatVersion, fields.text("format_version"));
  CheckpointInfo info{.model = fields.text("model"),
                      .activation = fields.text("activation"),
                      .shortcut = fields.text("shortcut"),
                      .stem = fields.text("stem"),
                      .dataset = fields.text("dataset"),
                      .network = fields.text_or_none("network"),
                      .normalisation = fields.text("normalisation"),
                      .num_classes = fields.integer("num_classes"),
                      .layout = fields.text_or_none("layout"),
                      .epoch = fields.integer("epoch"),
                      .step = fields.integer("step")};
  if (metadata.contains("class_names")) {
    // the names of folders, which have no slash
    std::istringstream names(fields.text("class_names"));
    for (std::string name; std::getline(names, name, '/');) info.class_names.push_back(name);
    info.image_size = fields.integer("image_size");
    info.exif_transpose = fields.text_or_none("exif_transpose") != "false";
    info.skip_damaged = fields.text_or_none("skip_damaged") == "true";
    require<IoError>(std::ssize(info.class_names) == info.num_classes,
                     "checkpoint: {}: class_names: expected {} names, got {}", file.string(),
                     info.num_classes, info.class_names.size());
  }
  return info;
}

Checkpoint read_checkpoint(const fs::path& file, CheckpointPart part) {
  const auto wanted = [part](std::string_view name) {
    return part == CheckpointPart::all ||
           !(name.starts_with(kOptimizerPrefix) || name.starts_with(kEmaPrefix));
  };
  if (part != CheckpointPart::header) {
    return parse_checkpoint(read_safetensors(file, wanted), file, part);
  }
  return parse_checkpoint({.metadata = read_safetensors_metadata(file)}, file, part);
}

Checkpoint parse_checkpoint(const TensorFile& contents, const fs::path& file, CheckpointPart part) {
  Checkpoint checkpoint{.info = parse_checkpoint_info(contents.metadata, file),
                        .model = {},
                        .optimizer = tensors_under(kOptimizerPrefix, contents)};
  require<IoError>(contents.checksum || part == CheckpointPart::header,
                   "checkpoint: {}: expected a checksum, found none: the file is damaged",
                   file.string());
  checkpoint.model = tensors_under(checkpoint.info.layout.empty() ? kModelPrefix : "", contents);
  checkpoint.ema = tensors_under(kEmaPrefix, contents);
  const auto training = contents.metadata.find("training");
  if (part != CheckpointPart::network && training != contents.metadata.end()) {
    checkpoint.state = parse_state(training->second, file);
  }
  return checkpoint;
}

std::vector<std::byte> serialise_checkpoint(const Checkpoint& checkpoint) {
  return serialise_safetensors(to_file(checkpoint));
}

Checkpoint parse_checkpoint(std::span<const std::byte> bytes, const fs::path& name) {
  return parse_checkpoint(parse_safetensors(bytes, name.string()), name, CheckpointPart::all);
}

void save_weights(const fs::path& file, const Module& net, const CheckpointInfo& info) {
  write_checkpoint(file, {.info = info, .model = net.state_dict(), .optimizer = {}});
}

CheckpointInfo read_checkpoint_info(const fs::path& file) {
  return read_checkpoint(file, CheckpointPart::header).info;
}

void load_weights(const fs::path& file, Module& net) {
  net.load_state_dict(read_checkpoint(file, CheckpointPart::network).model);
}

}  // namespace resgrad
