#include "train/cli/flags.h"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "core/check.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/isa.h"
#include "core/parallel.h"

namespace resgrad::cli {

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const models::Entry& entry : models::registry()) names.push_back(entry.name);
  return names;
}

void add_recompute_flag(CLI::App& command, RunOptions& options) {
  command.add_flag("--recompute", options.recompute,
                   "keep only the inputs of the blocks for backward: less memory, more time");
}

void add_machine_flags(CLI::App& command, RunOptions& options) {
  std::vector<std::string> engines{"auto"};
  for (const auto name : kernels::conv2d_engine_names()) engines.emplace_back(name);
  std::vector<std::string> isas{"auto"};
  for (const auto isa : kernels::kAllIsas) isas.emplace_back(kernels::name(isa));
  command.add_option("--threads", options.threads, "threads of the kernels; 0: all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--isa", options.isa, "instruction set of the kernels")
      ->check(CLI::IsMember(isas))
      ->capture_default_str();
  command.add_option("--conv-engine", options.conv_engine, "how convolutions are computed")
      ->check(CLI::IsMember(engines))
      ->capture_default_str();
}

void add_data_flags(CLI::App& command, RunOptions& options) {
  command.add_option("--dataset", options.dataset, "data set [default: the checkpoint's]")
      ->check(CLI::IsMember({"cifar10", "cifar100", "synthetic"}));
  command.add_option("--data-path", options.data_path,
                     "folder of the data [default: $RESGRAD_DATA, else data-cache/]");
}

void add_tta_flag(CLI::App& command, Tta& tta) {
  static const std::map<std::string, Tta> kNames = {{"none", Tta::none}, {"flip", Tta::flip}};
  command
      .add_option_function<std::string>(
          "--tta", [&tta](const std::string& name) { tta = kNames.at(name); },
          "test-time augmentation; flip: the mean logits of image and mirror image")
      ->check(CLI::IsMember({"none", "flip"}))
      ->default_str("none");
}

void apply_machine_flags(const RunOptions& options) {
  set_num_threads(options.threads == 0 ? omp_get_num_procs() : options.threads);
  if (options.isa != "auto") {
    const auto* isa = std::ranges::find_if(
        kernels::kAllIsas, [&](kernels::Isa candidate) { return name(candidate) == options.isa; });
    require<ValueError>(kernels::set_isa(*isa),
                        "--isa: expected an instruction set of this CPU (best: {}), got {}",
                        name(kernels::best_isa()), options.isa);
  }
  kernels::set_conv2d_engine(options.conv_engine);
}

std::string find_data(const std::string& dataset, const std::string& path) {
  require<ValueError>(dataset == "cifar10" || dataset == "cifar100" || dataset == "synthetic",
                      "--dataset: expected one of cifar10, cifar100, synthetic, got {}",
                      dataset.empty() ? "none" : dataset);
  if (dataset == "synthetic" || !path.empty()) return path;
  const char* from_environment = std::getenv("RESGRAD_DATA");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  const std::string cached =
      dataset == "cifar10" ? "data-cache/cifar-10-batches-bin" : "data-cache/cifar-100-binary";
  if (std::filesystem::exists(cached)) return cached;
  throw IoError(
      fmt::format("{}: expected the data in --data-path, $RESGRAD_DATA or {}, found none; get "
                  "CIFAR-10 with scripts/download_cifar10.sh or use --dataset synthetic",
                  dataset, cached));
}

models::Options model_options(const std::string& activation, const std::string& shortcut,
                              const std::string& stem, std::int64_t image_size,
                              std::int64_t num_classes) {
  models::Options options{.num_classes = num_classes};
  if (!activation.empty()) options.activation = models::parse_activation(activation);
  if (!shortcut.empty()) options.shortcut = models::parse_shortcut(shortcut);
  options.stem = stem.empty() ? models::default_stem(image_size) : models::parse_stem(stem);
  return options;
}

}  // namespace resgrad::cli
