#include "data/datasets.h"

#include "core/check.h"
#include "data/cifar.h"
#include "data/synthetic.h"

namespace resgrad::data {
namespace {

namespace fs = std::filesystem;

// Fixed: the synthetic data set is one data set, whatever the seed of a run.
constexpr std::uint64_t kSyntheticSeed = 0;
constexpr std::int64_t kSyntheticTrain = 10000, kSyntheticTest = 2000;

void append(std::vector<std::string>& to, const std::vector<std::string>& texts) {
  to.insert(to.end(), texts.begin(), texts.end());
}

Dataset load(const LoadOptions& options, Split split) {
  const std::string& name = options.name;
  if (name == "cifar10") return load_cifar10(options.path, split);
  if (name == "cifar100") return load_cifar100(options.path, split);
  require<ValueError>(name == "synthetic", "dataset: expected one of {}, got {}",
                      fmt::join(dataset_names(), ", "), name);
  return make_synthetic(split, split == Split::train ? kSyntheticTrain : kSyntheticTest,
                        kSyntheticSeed);
}

// The first of `names` that is a folder in `root`; nothing if there is none.
std::string find_part(const fs::path& root, const std::vector<std::string>& names) {
  std::error_code error;
  const bool there = fs::is_directory(root, error);
  require<IoError>(there, "folder: {}: expected a folder that can be read, {}", root.string(),
                   error ? "got: " + error.message() : "found a file");
  for (const std::string& name : names) {
    std::error_code ignored;
    if (fs::is_directory(root / name, ignored)) return name;
  }
  return "";
}

Dataset load_part(const LoadOptions& options, const std::string& part,
                  const std::vector<std::string>& classes) {
  FolderOptions folder = options.folder;
  folder.classes = classes;
  return load_folder(fs::path(options.path) / part, folder);
}

Dataset load_test_folder(const LoadOptions& options) {
  const std::string part = find_part(options.path, {"test", "val"});
  require<IoError>(!part.empty(),
                   "folder: {}: expected a folder test or val in it, found none; images that "
                   "a run held out are its --split val",
                   options.path);
  std::vector<std::string> classes = options.folder.classes;
  if (classes.empty() && !find_part(options.path, {"train"}).empty()) {
    classes = folder_classes(fs::path(options.path) / "train");
  }
  return load_part(options, part, classes);
}

void hold_out(DataSplits& splits, const Dataset& train, const LoadOptions& options) {
  auto [rest, validation] = split(train, options.val_split, options.split_seed);
  splits.train = std::make_shared<const Dataset>(std::move(rest));
  splits.test = std::make_shared<const Dataset>(std::move(validation));
  splits.test_name = "validation";
}

DataSplits load_folders(const LoadOptions& options) {
  const std::string part = find_part(options.path, {"val", "test"});
  require<IoError>(!find_part(options.path, {"train"}).empty(),
                   "folder: {}: expected a folder train in it, with a folder for each class, found "
                   "none",
                   options.path);
  require<IoError>(
      !part.empty() || options.val_split != 0,
      "folder: {}: expected a folder val or test in it, or some of the training images "
      "held out (--val-split), found neither",
      options.path);
  Dataset train = load_part(options, "train", options.folder.classes);
  DataSplits splits{.warnings = train.warnings};
  if (options.val_split != 0) {
    hold_out(splits, train, options);
  } else {
    splits.test = std::make_shared<const Dataset>(load_part(options, part, train.class_names));
    splits.test_name = part == "val" ? "validation" : "test";
    splits.train = std::make_shared<const Dataset>(std::move(train));
    append(splits.warnings, splits.test->warnings);
  }
  splits.normalisation = measure_normalisation(*splits.train);
  for (double& deviation : splits.normalisation.std) {
    if (deviation == 0) deviation = 1;
  }
  return splits;
}

}  // namespace

std::vector<std::string> dataset_names() {
  return {"cifar10", "cifar100", "synthetic", "folder"};
}

std::shared_ptr<const Dataset> load_test_set(const LoadOptions& options) {
  return std::make_shared<const Dataset>(options.name == "folder" ? load_test_folder(options)
                                                                  : load(options, Split::test));
}

DataSplits load_data(const LoadOptions& options) {
  if (options.name == "folder") return load_folders(options);
  Dataset train = load(options, Split::train);
  DataSplits splits{.normalisation = normalisation(options.name), .warnings = train.warnings};
  if (options.val_split != 0) {
    hold_out(splits, train, options);
  } else {
    splits.train = std::make_shared<const Dataset>(std::move(train));
    splits.test = load_test_set(options);
    append(splits.warnings, splits.test->warnings);
  }
  return splits;
}

}  // namespace resgrad::data
