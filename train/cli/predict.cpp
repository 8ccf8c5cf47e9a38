// resgrad predict: the likeliest classes of image files, images of a data set, or tensors.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "core/ops/cross_entropy.h"
#include "core/ops/shaping.h"
#include "data/class_names.h"
#include "data/datasets.h"
#include "data/image.h"
#include "data/loader.h"
#include "data/resize.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/inference.h"
#include "train/io/safetensors.h"

namespace resgrad::cli {
namespace {

struct PredictFlags {
  std::string checkpoint, input, logits_output;
  std::vector<std::string> images;
  std::vector<std::int64_t> indices;
  std::int64_t top_k = 5;
  int resize_size = 0, crop_size = 0;  // 0: by the network
  Tta tta = Tta::none;
  bool json = false;
  RunOptions run;  // batch size, data path, machine flags
};

// What is shown of one input.
struct Input {
  std::string name;
  std::string label = {};  // empty where there is none
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
Tensor logits_of(const LoadedNetwork& loaded, Tta tta, Next&& next) {
  std::vector<Tensor> parts;
  while (const std::optional<Tensor> images = next()) {
    parts.push_back(infer(*loaded.net, *images, tta));
  }
  return concatenate(parts);
}

Tensor logits_of(const LoadedNetwork& loaded, const PredictFlags& flags, data::Dataset dataset) {
  data::Loader loader(
      std::make_shared<const data::Dataset>(std::move(dataset)),
      {.batch_size = flags.run.batch_size, .normalisation = loaded.normalisation, .workers = 0});
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

// Resized and cropped as torchvision's presets for evaluation. A file that is damaged does not keep
// the others from being predicted.
Predictions predict_images(const LoadedNetwork& loaded, const PredictFlags& flags) {
  const bool small = loaded.info.stem == "cifar" || loaded.info.dataset.starts_with("cifar") ||
                     loaded.info.dataset == "synthetic";
  const int crop = flags.crop_size > 0 ? flags.crop_size : small ? 32 : 224;
  const int resize = flags.resize_size > 0 ? flags.resize_size : small ? 32 : 256;
  Predictions result;
  data::Dataset dataset{.name = "images", .height = crop, .width = crop};
  for (const std::string& file : flags.images) {
    data::Image image;
    try {
      image = data::read_image(file);
    } catch (const IoError& error) {
      print_error("resgrad: {}\n", error.what());
      result.unread.push_back({.name = file, .reason = error.what()});
      continue;
    }
    append(dataset, centre_crop(resize_shorter_side(image, resize), crop));
    result.inputs.push_back({.name = file});
  }
  if (!result.inputs.empty()) result.logits = logits_of(loaded, flags, std::move(dataset));
  return result;
}

Predictions predict_indices(const LoadedNetwork& loaded, const PredictFlags& flags) {
  const std::string name = flags.run.dataset.empty() ? loaded.info.dataset : flags.run.dataset;
  const std::string folder = find_data(name, flags.run.data_path);
  require_not_read("predict", "--logits-output", flags.logits_output, {folder});
  const auto all = data::load_test_set({.name = name, .path = folder});
  data::Dataset chosen = subset(*all, flags.indices);
  Predictions result;
  for (const std::int64_t index : flags.indices) {
    const auto label = all->labels[static_cast<std::size_t>(index)];
    result.inputs.push_back(
        {.name = fmt::format("{} test image {}", name, index), .label = all->class_names[label]});
  }
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
    const std::int64_t end = std::min(begin + flags.run.batch_size, tensor.dim(0));
    const Tensor batch = tensor.narrow(begin, end).reordered(MemoryFormat::channels_last);
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
      exp(log_softmax(predictions.logits)).to_vector<double>();
  const std::int64_t classes = loaded.info.num_classes;
  const std::vector<std::string> names = data::class_names(loaded.info.dataset, classes);
  nlohmann::ordered_json json = {{"model", loaded.info.model}, {"dataset", loaded.info.dataset}};
  std::string text;
  auto row = probabilities.begin();
  for (const Input& input : predictions.inputs) {
    text += input.name + (input.label.empty() ? "" : fmt::format(" (label: {})", input.label));
    nlohmann::ordered_json entry = {{"input", input.name}};
    if (!input.label.empty()) entry["label"] = input.label;
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
  std::vector<std::string> inputs = flags.images;
  inputs.insert(inputs.end(), {flags.checkpoint, flags.input});
  require_not_read("predict", "--logits-output", flags.logits_output, inputs);
  apply_machine_flags(flags.run);
  const LoadedNetwork loaded = load_network(flags.checkpoint);
  const NoGradGuard no_grad;
  const Predictions predictions = !flags.images.empty()    ? predict_images(loaded, flags)
                                  : !flags.indices.empty() ? predict_indices(loaded, flags)
                                                           : predict_tensor(loaded, flags);
  if (predictions.inputs.empty()) return 1;
  print(predictions, loaded, flags);
  if (!flags.logits_output.empty()) {
    write_safetensors(flags.logits_output,
                      {.tensors = {{"logits", predictions.logits}}, .metadata = {}});
  }
  return predictions.unread.empty() ? 0 : 1;
}

}  // namespace

void add_predict(CLI::App& app, Action& action) {
  auto flags = std::make_shared<PredictFlags>();
  flags->run.dataset.clear();
  CLI::App* command = app.add_subcommand(
      "predict", "prints the likeliest classes of image files, images of a data set, or tensors");
  command->add_option("--checkpoint", flags->checkpoint, "weights file of train or import")
      ->required();
  command->add_option("images", flags->images, "PNG or JPEG files of any size")
      ->option_text("IMAGE ...");
  command->add_option("--index", flags->indices, "numbers of test images, with commas")
      ->check(CLI::NonNegativeNumber)
      ->delimiter(',');
  command->add_option("--input", flags->input,
                      "safetensors file of one float32 tensor [n, 3, h, w], normalised already");
  command->add_option("--top-k", flags->top_k, "classes to print")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_tta_flag(*command, flags->tta);
  command->add_flag("--json", flags->json, "print one JSON object");
  command->add_option("--logits-output", flags->logits_output,
                      "also write the logits [n, classes] to this safetensors file");
  command
      ->add_option("--resize-size", flags->resize_size,
                   "shorter side of image files after resizing [default: 32, ImageNet's 256]")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--crop-size", flags->crop_size,
                   "side of the square then cut from the middle [default: 32, ImageNet's 224]")
      ->check(CLI::PositiveNumber);
  add_data_flags(*command, flags->run);
  command->add_option("-b,--batch-size", flags->run.batch_size, "images at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_machine_flags(*command, flags->run);
  command->callback([flags, &action] {
    const int kinds = !flags->images.empty() + !flags->indices.empty() + !flags->input.empty();
    if (kinds != 1) {
      throw CLI::ValidationError(
          "predict", fmt::format("expected one of IMAGE ..., --index and --input, got {}", kinds));
    }
    action = [flags] { return run_predict(*flags); };
  });
}

}  // namespace resgrad::cli
