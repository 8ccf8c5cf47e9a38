// resgrad import: weights that other PyTorch code has saved become a weights file of ours.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>

#include "data/datasets.h"
#include "models/layout.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/io/safetensors.h"

namespace resgrad::cli {
namespace {

struct ImportFlags {
  std::string model, layout, weights, output, dataset, normalisation;
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
  const Tensor values = t.tensor.to(DType::float32);
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

int run_import(const ImportFlags& flags) {
  require_not_read("import", "--output", flags.output, {flags.weights});
  TensorFile file = read_foreign(flags.weights);
  convert(file);
  const models::LayoutFacts facts = models::read_layout_facts(flags.layout, file.tensors);
  models::Options options{.num_classes = facts.num_classes,
                          .shortcut = facts.shortcut,
                          .stem = facts.stem,
                          .fields = facts.fields,
                          .initialise = false};
  if (facts.activation == Activation::pre) options.activation = facts.activation;
  const ResNetConfig config = models::configure(flags.model, options);
  require<ValueError>(config.activation == facts.activation,
                      "import: --model: expected post-activation blocks, as these weights and this "
                      "layout have them, got {}, whose are pre-activation",
                      flags.model);
  const auto net = models::make(flags.model, options);
  models::load_state_in_layout(*net, config, flags.layout, file.tensors);

  const std::string dataset = flags.dataset.empty()
                                  ? said(file, "dataset", usual_dataset(facts.num_classes))
                                  : flags.dataset;
  const CheckpointInfo info{.model = flags.model,
                            .activation = name(config.activation),
                            .shortcut = name(config.shortcut),
                            .stem = name(config.stem),
                            .dataset = dataset,
                            .network = models::to_text(facts.fields),
                            .normalisation = flags.normalisation.empty()
                                                 ? said(file, "normalisation", dataset)
                                                 : flags.normalisation,
                            .num_classes = facts.num_classes};
  require<ValueError>(!info.normalisation.empty(),
                      "import: --normalisation: expected how the inputs of these weights are "
                      "normalised, since {} classes are those of no data set known here, got none",
                      facts.num_classes);
  const data::Normalisation normalisation = data::normalisation(info.normalisation);
  save_weights(flags.output, *net, info);
  print_out(
      "{}: {}, {} classes ({}), shortcut {}, {} stem{}\ninputs: (value / 255 - mean) / "
      "deviation, {}\n",
      flags.output, info.model, info.num_classes,
      info.dataset.empty() ? "of no known data set" : info.dataset, info.shortcut, info.stem,
      info.network.empty() ? "" : fmt::format(", {}", info.network), to_text(normalisation));
  return 0;
}

std::vector<std::string> dataset_names() {
  std::vector<std::string> names = data::dataset_names();
  names.emplace_back("imagenet");
  return names;
}

Settings settings(ImportFlags& flags) {
  return {{.name = "model",
           .group = Group::network,
           .help = "network, see: resgrad models",
           .value = &flags.model,
           .limits = models::names,
           .required = true},
          layout_setting(flags.layout),
          {.name = "weights",
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
           .required = true}};
}

}  // namespace

void add_import(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ImportFlags>();
  CLI::App& command = add_command(
      app, "import", "reads weights under the names of torchvision and other PyTorch code");
  add_flags(command, settings(*flags));
  on_chosen(command, [flags, &action] { action = [flags] { return run_import(*flags); }; });
}

}  // namespace resgrad::cli
