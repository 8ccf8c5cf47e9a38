#include "data/datasets.h"

#include "core/check.h"
#include "data/cifar.h"
#include "data/synthetic.h"

namespace resgrad::data {
namespace {

// Fixed: the synthetic data set is one data set, whatever the seed of a run.
constexpr std::uint64_t kSyntheticSeed = 0;
constexpr std::int64_t kSyntheticTrain = 10000, kSyntheticTest = 2000;

Dataset load(const std::string& name, const std::string& path, Split split) {
  if (name == "cifar10") return load_cifar10(path, split);
  if (name == "cifar100") return load_cifar100(path, split);
  require<ValueError>(name == "synthetic",
                      "dataset: expected one of cifar10, cifar100, synthetic, got {}", name);
  return make_synthetic(split, split == Split::train ? kSyntheticTrain : kSyntheticTest,
                        kSyntheticSeed);
}

}  // namespace

std::shared_ptr<const Dataset> load_test_set(const std::string& name, const std::string& path) {
  return std::make_shared<const Dataset>(load(name, path, Split::test));
}

DataSplits load_data(const std::string& name, const std::string& path, std::int64_t val_split,
                     std::uint64_t seed) {
  Dataset train = load(name, path, Split::train);
  DataSplits splits{.normalisation = normalisation(name)};
  if (val_split == 0) {
    splits.train = std::make_shared<const Dataset>(std::move(train));
    splits.test = load_test_set(name, path);
    splits.test_name = "test";
  } else {
    auto [rest, validation] = split(train, val_split, seed);
    splits.train = std::make_shared<const Dataset>(std::move(rest));
    splits.test = std::make_shared<const Dataset>(std::move(validation));
    splits.test_name = "validation";
  }
  return splits;
}

}  // namespace resgrad::data
