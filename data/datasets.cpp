#include "data/datasets.h"

#include "core/check.h"
#include "data/cifar.h"
#include "data/synthetic.h"

namespace resgrad::data {
namespace {

// Fixed: the synthetic data set is one data set, whatever the seed of a run.
constexpr std::uint64_t kSyntheticSeed = 0;
constexpr std::int64_t kSyntheticTrain = 10000, kSyntheticTest = 2000;

Dataset load(const LoadOptions& options, Split split) {
  const std::string& name = options.name;
  if (name == "cifar10") return load_cifar10(options.path, split);
  if (name == "cifar100") return load_cifar100(options.path, split);
  require<ValueError>(name == "synthetic", "dataset: expected one of {}, got {}",
                      fmt::join(dataset_names(), ", "), name);
  return make_synthetic(split, split == Split::train ? kSyntheticTrain : kSyntheticTest,
                        kSyntheticSeed);
}

}  // namespace

std::vector<std::string> dataset_names() {
  return {"cifar10", "cifar100", "synthetic"};
}

std::shared_ptr<const Dataset> load_test_set(const LoadOptions& options) {
  return std::make_shared<const Dataset>(load(options, Split::test));
}

DataSplits load_data(const LoadOptions& options) {
  Dataset train = load(options, Split::train);
  DataSplits splits{.normalisation = normalisation(options.name), .warnings = train.warnings};
  if (options.val_split == 0) {
    splits.train = std::make_shared<const Dataset>(std::move(train));
    splits.test = load_test_set(options);
    splits.test_name = "test";
    splits.warnings.insert(splits.warnings.end(), splits.test->warnings.begin(),
                           splits.test->warnings.end());
  } else {
    auto [rest, validation] = split(train, options.val_split, options.split_seed);
    splits.train = std::make_shared<const Dataset>(std::move(rest));
    splits.test = std::make_shared<const Dataset>(std::move(validation));
    splits.test_name = "validation";
  }
  return splits;
}

}  // namespace resgrad::data
