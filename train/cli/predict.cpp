// resgrad predict: the likeliest classes of image files, images of a data set, or tensors.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "core/ops/cross_entropy.h"
#include "core/ops/shaping.h"
#include "data/datasets.h"
#include "data/image.h"
#include "data/loader.h"
#include "data/resize.h"
#include "data/write_png.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/inference.h"
#include "train/io/safetensors.h"

namespace resgrad::cli {
namespace {

struct PredictFlags : MachineOptions {
  std::string checkpoint, dataset, data_path, input, logits_output, save_images;
  std::vector<std::string> images;
  std::vector<std::int64_t> indices;
  std::int64_t top_k = 5;
  int resize_size = 0, crop_size = 0;  // 0: by the network
  std::int64_t batch_size = 128;
  std::string tta = "none", split = "test";
  bool json = false;
};

// What is shown of one input.
struct Input {
  std::string name;
  std::string label = {};  // empty where there is none
  std::string image = {};  // the file that shows what the network saw, if it was asked for
};

// An input that could not be read.
struct Unread {
  std::string name, reason;
};

struct Predictions {
  std::vector<Input> inputs = {};
  Tensor logits = {};  // [inputs, classes]
  std::vector<Unread> unread = {};
};

// Runs the network on batches that `next` gives, until there are none.
template <class Next>
Tensor logits_of(const LoadedNetwork& loaded, const std::string& tta_name, Next&& next) {
  const Tta tta = parse_in(kTtaNames, "--tta", tta_name);
  InferenceNet net(*loaded.net);
  std::vector<Tensor> parts;
  while (const std::optional<Tensor> images = next()) {
    parts.push_back(infer(net, *images, tta));
  }
  return concatenate(parts);
}

Tensor logits_of(const LoadedNetwork& loaded, const PredictFlags& flags, data::Dataset dataset) {
  data::Loader loader(
      std::make_shared<const data::Dataset>(std::move(dataset)),
      {.batch_size = flags.batch_size, .normalisation = loaded.normalisation, .workers = 0});
  loader.start_epoch(0);
  return logits_of(loaded, flags.tta, [&]() -> std::optional<Tensor> {
    const std::optional<data::Batch> batch = loader.next();
    return batch ? std::optional(batch->images) : std::nullopt;
  });
}

void append(data::Dataset& dataset, const data::Image& image) {
  for (int c = 0; c < 3; ++c) {
    for (std::size_t i = static_cast<std::size_t>(c); i < image.pixels.size(); i += 3) {
      dataset.images.push_back(image.pixels[i]);
    }
  }
  dataset.labels.push_back(0);
}

// Of the files and folders that are read, those that the command names or that the data are in.
std::vector<std::string> inputs_of(const PredictFlags& flags, const std::string& data = {}) {
  std::vector<std::string> inputs = flags.images;
  inputs.insert(inputs.end(), {flags.checkpoint, flags.input, data});
  return inputs;
}

// Writes the images, which are those of `inputs`, as PNG files if flags say so.
void save_images(const data::Dataset& images, const PredictFlags& flags, std::vector<Input>& inputs,
                 const std::string& data = {}) {
  if (flags.save_images.empty()) return;
  const std::filesystem::path folder = flags.save_images;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const std::size_t pixels = static_cast<std::size_t>(images.height * images.width);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    data::Image image{.height = images.height, .width = images.width};
    const std::uint8_t* planes = images.images.data() + 3 * pixels * i;
    for (std::size_t p = 0; p < 3 * pixels; ++p) {
      image.pixels.push_back(planes[p % 3 * pixels + p / 3]);
    }
    const std::filesystem::path file = folder / fmt::format("image{:03}.png", i);
    require_not_read("predict", "--save-images", file.string(), inputs_of(flags, data));
    write_png(file, image);
    inputs[i].image = file.string();
  }
}

// Resized and cropped as torchvision's presets for evaluation. A file that is damaged does not keep
// the others from being predicted.
Predictions predict_images(const LoadedNetwork& loaded, const PredictFlags& flags) {
  const int usual = static_cast<int>(image_size(loaded.info));
  const bool own_images = loaded.info.image_size > 0;
  const int crop = flags.crop_size > 0 ? flags.crop_size : usual;
  const int resize = flags.resize_size > 0                   ? flags.resize_size
                     : usual == kImageNetSize && !own_images ? 256
                                                             : usual;
  Predictions result;
  data::Dataset dataset{.name = "images", .height = crop, .width = crop};
  for (const std::string& file : flags.images) {
    const auto leave_out = [&](const std::string& reason) {
      print_error("resgrad: {}\n", reason);
      result.unread.push_back({.name = file, .reason = reason});
    };
    try {
      const data::Image image =
          data::read_image(file, {.exif_transpose = own_images && loaded.info.exif_transpose});
      append(dataset, centre_crop(resize_shorter_side(image, resize), crop));
      result.inputs.push_back({.name = file});
    } catch (const IoError& error) {
      leave_out(error.what());
    } catch (const ValueError& error) {  // so wide that it cannot be resized
      leave_out(fmt::format("image: {}: {}", file, error.what()));
    }
  }
  save_images(dataset, flags, result.inputs);
  if (!result.inputs.empty()) result.logits = logits_of(loaded, flags, std::move(dataset));
  return result;
}

// Where the images with these numbers stand in a part of a data set.
std::vector<std::int64_t> positions_in(const data::Dataset& part, const PredictFlags& flags) {
  std::map<std::int64_t, std::int64_t> position_of;
  for (std::int64_t i = 0; i < part.size(); ++i) position_of[part.place(i)] = i;
  std::vector<std::int64_t> positions;
  for (const std::int64_t number : flags.indices) {
    const auto found = position_of.find(number);
    require<ValueError>(found != position_of.end(),
                        "predict: --index: expected numbers of {} images of {} to {}, as eval "
                        "--predictions gives them, got {}",
                        flags.split, position_of.begin()->first, position_of.rbegin()->first,
                        number);
    positions.push_back(found->second);
  }
  return positions;
}

Predictions predict_indices(const LoadedNetwork& loaded, const PredictFlags& flags) {
  const std::string name = flags.dataset.empty() ? loaded.info.dataset : flags.dataset;
  const std::string data = find_data(name, flags.data_path);
  require_not_read("predict", "--logits-output", flags.logits_output, {data});
  const auto all =
      load_split(flags.checkpoint, loaded.info, flags.split, flags.dataset, flags.data_path);
  data::Dataset chosen = subset(*all, positions_in(*all, flags));
  Predictions result;
  for (std::int64_t i = 0; i < chosen.size(); ++i) {
    const auto label = chosen.labels[static_cast<std::size_t>(i)];
    result.inputs.push_back(
        {.name = fmt::format("{} {} image {}", name, flags.split, chosen.place(i)),
         .label = all->class_names[label]});
  }
  save_images(chosen, flags, result.inputs, data);
  result.logits = logits_of(loaded, flags, std::move(chosen));
  return result;
}

Predictions predict_tensor(const LoadedNetwork& loaded, const PredictFlags& flags) {
  const TensorFile file = read_safetensors(flags.input);
  require<ValueError>(file.tensors.size() == 1, "predict: {}: expected one tensor, got {}",
                      flags.input, file.tensors.size());
  const auto& [name, images] = file.tensors[0];
  require<ValueError>(images.dtype() == DType::float32 && images.rank() == 4 &&
                          images.dim(1) == 3 && images.numel() > 0,
                      "predict: {}: {}: expected float32 [n, 3, h, w] with n, h, w of at least 1, "
                      "got {} {}",
                      flags.input, name, resgrad::name(images.dtype()), images.shape());
  Predictions result;
  for (std::int64_t i = 0; i < images.dim(0); ++i) {
    result.inputs.push_back({.name = fmt::format("{} {}", flags.input, i)});
  }
  std::int64_t begin = 0;
  result.logits = logits_of(loaded, flags.tta, [&, &tensor = images]() -> std::optional<Tensor> {
    if (begin == tensor.dim(0)) return std::nullopt;
    const std::int64_t end = std::min(begin + flags.batch_size, tensor.dim(0));
    const Tensor batch = tensor.narrow(begin, end).detach(MemoryFormat::channels_last);
    begin = end;
    return batch;
  });
  return result;
}

// Class and probability, the largest first.
std::vector<Ranked> top_classes(const std::vector<double>& probabilities, const Input& input,
                                std::int64_t k) {
  for (const double p : probabilities) {
    require<ValueError>(std::isfinite(p), "predict: {}: expected finite logits, got others",
                        input.name);
  }
  return largest(probabilities, k);
}

void print(const Predictions& predictions, const LoadedNetwork& loaded, const PredictFlags& flags) {
  const std::vector<double> probabilities =
      predictions.inputs.empty() ? std::vector<double>()
                                 : exp(log_softmax(predictions.logits)).to_vector<double>();
  const std::int64_t classes = loaded.info.num_classes;
  const std::vector<std::string> names = class_names(loaded.info);
  nlohmann::ordered_json json = {{"model", loaded.info.model}, {"dataset", loaded.info.dataset}};
  std::string text;
  json["predictions"] = nlohmann::ordered_json::array();
  auto row = probabilities.begin();
  for (const Input& input : predictions.inputs) {
    text += input.name + (input.label.empty() ? "" : fmt::format(" (label: {})", input.label));
    nlohmann::ordered_json entry = {{"input", input.name}};
    if (!input.label.empty()) entry["label"] = input.label;
    if (!input.image.empty()) entry["image"] = input.image;
    for (const auto& [index, p] : top_classes({row, row + classes}, input, flags.top_k)) {
      const std::string& name = names[static_cast<std::size_t>(index)];
      text += fmt::format("\n  {:<20}{:>8.2f} %", name, 100 * p);
      entry["top"].push_back({{"class", index}, {"name", name}, {"probability", p}});
    }
    text += '\n';
    json["predictions"].push_back(entry);
    row += classes;
  }
  for (const Unread& input : predictions.unread) {
    json["unread"].push_back({{"input", input.name}, {"reason", input.reason}});
  }
  flags.json ? print_json(json) : print_text(text);
}

int run_predict(const PredictFlags& flags) {
  require_not_read("predict", "--logits-output", flags.logits_output, inputs_of(flags));
  apply_machine_options(flags);
  const LoadedNetwork loaded = load_network(flags.checkpoint);
  const NoGradGuard no_grad;
  const Predictions predictions = !flags.images.empty()    ? predict_images(loaded, flags)
                                  : !flags.indices.empty() ? predict_indices(loaded, flags)
                                                           : predict_tensor(loaded, flags);
  if (!predictions.inputs.empty() || flags.json) print(predictions, loaded, flags);
  if (predictions.inputs.empty()) return 1;
  if (!flags.logits_output.empty()) {
    write_safetensors(flags.logits_output,
                      {.tensors = {{"logits", predictions.logits}}, .metadata = {}});
  }
  return predictions.unread.empty() ? 0 : 1;
}

Settings settings(PredictFlags& flags) {
  const Condition images{"with IMAGE ...", !flags.images.empty()};
  const Condition index{"with --index", !flags.indices.empty()};
  Settings rows = {{.name = "images",
                    .group = Group::data,
                    .help = "PNG or JPEG files of any size",
                    .value = &flags.images,
                    .placeholder = "IMAGE ...",
                    .positional = true},
                   checkpoint_setting(flags.checkpoint)};
  for (Setting& row : checkpoint_data_settings(flags.dataset, flags.data_path)) {
    row.only_with = index;
    rows.push_back(row);
  }
  rows.push_back(split_setting(flags.split));
  rows.back().only_with = index;
  append(rows, {{.name = "index",
                 .group = Group::data,
                 .help = "numbers of images, from 0, as eval --predictions gives them",
                 .value = &flags.indices},
                {.name = "input",
                 .group = Group::data,
                 .help = "safetensors file of one float32 tensor [n, 3, h, w], normalised already",
                 .value = &flags.input,
                 .placeholder = "FILE"},
                {.name = "resize-size",
                 .group = Group::data,
                 .help = "shorter side in pixels of image files after resizing",
                 .value = &flags.resize_size,
                 .limits = IntegerRange{1, 65536},
                 .default_text = "that of the training, else 32; networks for ImageNet: 256",
                 .only_with = images},
                {.name = "crop-size",
                 .group = Group::data,
                 .help = "side in pixels of the square then cut from the middle",
                 .value = &flags.crop_size,
                 .limits = IntegerRange{1, 65536},
                 .default_text = "that of the training, else 32; networks for ImageNet: 224",
                 .only_with = images},
                tta_setting(flags.tta),
                batch_size_setting(flags.batch_size),
                {.name = "top-k",
                 .group = Group::output,
                 .help = "classes to print of each image",
                 .value = &flags.top_k,
                 .limits = IntegerRange{1}},
                json_setting(flags.json),
                {.name = "logits-output",
                 .group = Group::output,
                 .help = "also write the logits [n, classes] to this safetensors file",
                 .value = &flags.logits_output,
                 .placeholder = "FILE"},
                {.name = "save-images",
                 .group = Group::output,
                 .help = "write the images as the network sees them to image000.png, ... in this "
                         "folder",
                 .value = &flags.save_images,
                 .only_with = {"with IMAGE ... or --index", flags.input.empty()},
                 .placeholder = "FOLDER"}});
  append(rows, machine_settings(flags));
  return rows;
}

}  // namespace

void add_predict(CLI::App& app, Action& action) {
  auto flags = std::make_shared<PredictFlags>();
  CLI::App& command =
      add_command(app, "predict",
                  "prints the likeliest classes of image files, images of a data set, or tensors");
  const auto given = add_flags(command, settings(*flags));
  on_chosen(command, [given, flags, &action] {
    const int kinds = !flags->images.empty() + !flags->indices.empty() + !flags->input.empty();
    if (kinds != 1) {
      validation_error(
          fmt::format("predict: expected one of IMAGE ..., --index and --input, got {}", kinds));
    }
    require_effect(*given, settings(*flags));
    action = [flags] { return run_predict(*flags); };
  });
}

}  // namespace resgrad::cli
