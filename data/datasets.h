// The data of a run by name: what is trained on, what is evaluated on, and how it is normalised.
#pragma once

#include <memory>
#include <string>

#include "data/dataset.h"
#include "data/normalise.h"

namespace resgrad::data {

struct DataSplits {
  std::shared_ptr<const Dataset> train = nullptr;
  std::shared_ptr<const Dataset> test = nullptr;  ///< or the held-out part of the training set
  std::string test_name = "test";                 ///< "test" or "validation"
  Normalisation normalisation = {};
};

/// The test set alone, for evaluation.
std::shared_ptr<const Dataset> load_test_set(const std::string& name, const std::string& path);

/// Loads `name` (cifar10, cifar100, synthetic) from the folder `path` (not used by synthetic). With
/// val_split > 0, that many training images are held out and take the place of the test set.
/// Throws  ValueError for an unknown name or a val_split out of range, IoError for missing or
///         damaged files.
DataSplits load_data(const std::string& name, const std::string& path, std::int64_t val_split,
                     std::uint64_t seed);

}  // namespace resgrad::data
