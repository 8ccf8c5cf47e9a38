// resgrad export: a network for other programs, as weights under the names of other PyTorch code or
// as a graph of ONNX.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "models/layout.h"
#include "models/registry.h"
#include "nn/onnx.h"
#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/network.h"
#include "train/cli/output.h"
#include "train/io/onnx_file.h"

namespace resgrad::cli {
namespace {

struct ExportFlags {
  std::string checkpoint, format = "safetensors", layout, output;
  bool pixels = false, fold_norms = false;
  int image_size = 0;  // 0: by the network
};

// What the file says beside the tensors.
std::map<std::string, std::string> metadata(const LoadedNetwork& loaded) {
  return {{"model", loaded.info.model},
          {"dataset", loaded.info.dataset},
          {"normalisation", loaded.info.normalisation}};
}

void export_weights(const ExportFlags& flags, const LoadedNetwork& loaded) {
  Checkpoint weights{.info = loaded.info,
                     .model = models::state_in_layout(*loaded.net, loaded.config, flags.layout),
                     .optimizer = {}};
  weights.info.layout = flags.layout;
  write_checkpoint(flags.output, weights);
  print_out(
      "{}: {}, {} tensors in the layout of {}\ninputs: (value / 255 - mean) / deviation, {}\n",
      flags.output, models::describe(loaded.info.model, loaded.config), weights.model.size(),
      flags.layout, to_text(loaded.normalisation));
}

void export_onnx(const ExportFlags& flags, const LoadedNetwork& loaded) {
  const std::int64_t size = flags.image_size > 0 ? flags.image_size : image_size(loaded.info);
  OnnxOptions options{.fold_norms = flags.fold_norms};
  if (flags.pixels) {
    const auto& [mean, deviation] = loaded.normalisation;
    options.mean.assign(mean.begin(), mean.end());
    options.deviation.assign(deviation.begin(), deviation.end());
  }
  OnnxGraph graph = onnx_graph(*loaded.net, {1, 3, size, size}, options);
  graph.metadata = metadata(loaded);
  graph.metadata["classes"] = nlohmann::json(class_names(loaded.info)).dump();
  write_onnx(flags.output, graph);
  print_out("{}: {}, {} operators of ONNX, opset {}\n{}: [batch, 3, {}, {}], {}\n", flags.output,
            models::describe(loaded.info.model, loaded.config), graph.nodes.size(), kOnnxOpset,
            graph.input.name, size, size,
            flags.pixels ? "pixels of 0 to 255 as float32, RGB"
                         : fmt::format("(value / 255 - mean) / deviation, {}",
                                       to_text(loaded.normalisation)));
}

int run_export(const ExportFlags& flags) {
  require_not_read("export", "--output", flags.output, {flags.checkpoint});
  const LoadedNetwork loaded = load_network(flags.checkpoint);
  (flags.format == "onnx" ? export_onnx : export_weights)(flags, loaded);
  return 0;
}

Settings settings(ExportFlags& flags) {
  const bool onnx = flags.format == "onnx";
  const Condition with_onnx{"with --format onnx", onnx};
  Setting layout = layout_setting(flags.layout);
  layout.required = false;
  layout.only_with = {"with --format safetensors", !onnx};
  return {checkpoint_setting(flags.checkpoint),
          {.name = "format",
           .group = Group::output,
           .help = "weights for PyTorch, or a network that other programs run",
           .value = &flags.format,
           .limits =
               [] {
                 return std::vector<std::string>{"safetensors", "onnx"};
               }},
          layout,
          {.name = "include-normalisation",
           .group = Group::network,
           .help = "the network takes pixels of 0 to 255 and normalises them itself",
           .value = &flags.pixels,
           .only_with = with_onnx},
          {.name = "fold-norms",
           .group = Group::network,
           .help = "norms right behind a convolution become part of it",
           .value = &flags.fold_norms,
           .only_with = with_onnx},
          {.name = "image-size",
           .group = Group::network,
           .help = "height and width of the inputs, in pixels",
           .value = &flags.image_size,
           .limits = IntegerRange{1, 1 << 14},
           .default_text = "that of the training images",
           .only_with = with_onnx},
          {.name = "output",
           .group = Group::output,
           .help = "file to write",
           .value = &flags.output,
           .placeholder = "FILE",
           .required = true}};
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App& command = add_command(
      app, "export", "writes a network for other programs: weights for PyTorch, or ONNX");
  const auto given = add_flags(command, settings(*flags));
  on_chosen(command, [given, flags, &action] {
    require_effect(*given, settings(*flags));
    if (flags->format == "safetensors" && flags->layout.empty()) {
      validation_error("--layout: expected whose names the tensors get, got none");
    }
    action = [flags] { return run_export(*flags); };
  });
}

}  // namespace resgrad::cli
