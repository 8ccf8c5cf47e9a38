// resgrad import: weights that other PyTorch code has saved become a weights file of ours.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>

#include "data/datasets.h"
#include "models/layout.h"
#include "models/registry.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/io/safetensors.h"

namespace resgrad::cli {
namespace {

struct ImportFlags {
  NetworkOptions network;
  std::string layout, weights, output, dataset, normalisation;
};

// The data set that a number of classes suggests; empty: none.
std::string usual_dataset(std::int64_t num_classes) {
  if (num_classes == 10) return "cifar10";
  if (num_classes == 100) return "cifar100";
  return num_classes == 1000 ? "imagenet" : "";
}

// What the file of `resgrad export` says under `key`; other files say nothing.
std::string said(const TensorFile& file, const std::string& key, const std::string& otherwise) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? otherwise : found->second;
}

TensorFile read_foreign(const std::string& weights) {
  TensorFile file;
  try {
    file = read_safetensors(weights);
  } catch (const IoError& error) {
    throw IoError(error.what() + advice(weights));
  }
  require<ValueError>(said(file, "format", "") != "resgrad",
                      "import: {}: expected weights of other code, got a file of resgrad, which "
                      "needs no import: use it as --checkpoint",
                      weights);
  return file;
}

// The values of a tensor of float64 as float32.
Tensor narrowed(const NamedTensor& t) {
  Tensor values = t.tensor.to(DType::float32);
  const float* narrow = values.data<float>();
  const double* wide = t.tensor.data<double>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    require<ValueError>(std::isfinite(narrow[i]) || !std::isfinite(wide[i]),
                        "import: {}: expected values that float32 can hold, got {}", t.name,
                        wide[i]);
  }
  return values;
}

// Makes all floating tensors float32 and says so.
void convert(TensorFile& file) {
  std::map<std::string, std::size_t> converted = file.widened;
  for (NamedTensor& t : file.tensors) {
    if (t.tensor.dtype() != DType::float64) continue;
    t.tensor = narrowed(t);
    ++converted["F64"];
  }
  for (const auto& [type, count] : converted) {
    print_out("import: {} tensors of {} become float32\n", count, type);
  }
}

// The flag's, else the file's.
std::string chosen(const std::string& flag, const std::string& given,
                   const std::string& from_file) {
  const std::string& choice = given.empty() ? from_file : given;
  require<ValueError>(!choice.empty(),
                      "import: {}: expected it as a flag, since the file does not say it, got none",
                      flag);
  return choice;
}

int run_import(const ImportFlags& flags, Settings& given) {
  require_not_read("import", "--output", flags.output, {flags.weights});
  TensorFile file = read_foreign(flags.weights);
  convert(file);
  CheckpointInfo told;
  if (file.metadata.contains("layout")) told = parse_checkpoint_info(file.metadata, flags.weights);
  const std::string layout = chosen("--layout", flags.layout, told.layout);
  NetworkOptions network = flags.network;
  if (!find(given, "model")->given) network.model.clear();
  network.model = chosen("--model", network.model, told.model);
  if (!told.model.empty()) take_network(network, told, given);

  const models::LayoutFacts facts = models::read_layout_facts(layout, file.tensors);
  models::Fields fields = model_options(network, 0, facts.num_classes).fields;
  for (const auto& [field, value] : facts.fields) fields[field] = value;
  models::Options options{.num_classes = facts.num_classes,
                          .shortcut = facts.shortcut,
                          .stem = facts.stem,
                          .fields = fields};
  if (facts.activation == Activation::pre) options.activation = facts.activation;
  const ResNetConfig config = models::configure(network.model, options);
  require<ValueError>(config.activation == facts.activation,
                      "import: --model: expected post-activation blocks, as these weights and this "
                      "layout have them, got {}, whose are pre-activation",
                      network.model);
  const auto net = models::make(config, 0, /*initialise=*/false);
  models::load_state_in_layout(*net, config, layout, file.tensors);

  CheckpointInfo info{.model = network.model,
                      .activation = name(config.activation),
                      .shortcut = name(config.shortcut),
                      .stem = name(config.stem),
                      .dataset = flags.dataset.empty()
                                     ? said(file, "dataset", usual_dataset(facts.num_classes))
                                     : flags.dataset,
                      .network = other_fields(fields),
                      .num_classes = facts.num_classes};
  info.normalisation =
      flags.normalisation.empty() ? said(file, "normalisation", info.dataset) : flags.normalisation;
  if (info.dataset == told.dataset && info.num_classes == told.num_classes) {
    info.class_names = told.class_names;
    info.image_size = told.image_size;
    info.exif_transpose = told.exif_transpose;
    info.skip_damaged = told.skip_damaged;
  }
  require<ValueError>(!info.normalisation.empty(),
                      "import: --normalisation: expected how the inputs of these weights are "
                      "normalised, since {} classes are those of no data set known here, got none",
                      facts.num_classes);
  const data::Normalisation normalisation = data::normalisation(info.normalisation);
  save_weights(flags.output, *net, info);
  print_out(
      "{}: {}, {} classes ({}), shortcut {}, {} stem\ninputs: (value / 255 - mean) / "
      "deviation, {}\n",
      flags.output, models::describe(info.model, config), info.num_classes,
      info.dataset.empty() ? "of no known data set" : info.dataset, info.shortcut, info.stem,
      to_text(normalisation));
  return 0;
}

std::vector<std::string> dataset_names() {
  std::vector<std::string> names = data::dataset_names();
  names.emplace_back("imagenet");
  return names;
}

Settings settings(ImportFlags& flags) {
  Settings rows = without(network_settings(flags.network, network_words()), {"recompute"});
  for (Setting& row : rows) row.default_text = "what the file says, else that of the model";
  find(rows, "model")->default_text = "what the file says";
  for (const char* name : {"shortcut", "stem"}) {
    find(rows, name)->default_text = "what the tensors say";
  }
  rows.push_back(layout_setting(flags.layout));
  rows.back().required = false;
  rows.back().default_text = "what the file says";
  append(rows,
         {{.name = "weights",
           .group = Group::network,
           .help = "safetensors file to read",
           .value = &flags.weights,
           .placeholder = "FILE",
           .required = true},
          {.name = "dataset",
           .group = Group::data,
           .help = "what the classes are",
           .value = &flags.dataset,
           .limits = dataset_names,
           .default_text = "what the file says, else by their number: 10, 100 or 1000"},
          {.name = "normalisation",
           .group = Group::data,
           .help = "of the inputs: a data set's, or mean R,G,B and deviation R,G,B as six numbers "
                   "with commas",
           .value = &flags.normalisation,
           .default_text = "what the file says, else the data set's"},
          {.name = "output",
           .group = Group::output,
           .help = "weights file to write",
           .value = &flags.output,
           .placeholder = "FILE",
           .required = true}});
  return rows;
}

}  // namespace

void add_import(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ImportFlags>();
  CLI::App& command = add_command(
      app, "import", "reads weights under the names of torchvision and other PyTorch code");
  const auto given = add_flags(command, settings(*flags));
  on_chosen(command, [given, flags, &action] {
    action = [given, flags] { return run_import(*flags, *given); };
  });
}

}  // namespace resgrad::cli
