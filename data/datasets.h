// The data of a run by name: what is trained on, what is evaluated on, and how it is normalised.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/folder.h"
#include "data/normalise.h"

namespace resgrad::data {

struct LoadOptions {
  std::string name;              ///< cifar10, cifar100, synthetic or folder
  std::string path = {};         ///< the folder of the data; not used by synthetic
  std::int64_t val_split = 0;    ///< training images that are held out and evaluated on instead
  std::uint64_t split_seed = 0;  ///< which ones
  FolderOptions folder = {};     ///< of `folder` alone
};

struct DataSplits {
  std::shared_ptr<const Dataset> train = nullptr;
  std::shared_ptr<const Dataset> test = nullptr;  ///< or the held-out part of the training set
  std::string test_name = "test";                 ///< "test" or "validation"
  Normalisation normalisation = {};
  std::vector<std::string> warnings = {};  ///< for the user, about the files that were read
};

/// What LoadOptions::name may be.
std::vector<std::string> dataset_names();

/// The test set alone, for evaluation; its warnings are its own. val_split is not used. Of
/// `folder`: path/test, or if there is none path/val; its classes are those of the options, such as
/// a weights file knows them, or if there are none the folders in path/train, or in what is read.
std::shared_ptr<const Dataset> load_test_set(const LoadOptions& options);

/// Loads the training set and the test set, or with val_split > 0 the held-out images in its place.
/// Of `folder`: path/train and path/val (its name is "validation"), or if there is none path/test;
/// mean and deviation are measured on the images that are trained on, the deviation of a channel
/// that is the same everywhere is 1.
/// Throws  ValueError for an unknown name or a val_split out of range, IoError for missing or
///         damaged files.
DataSplits load_data(const LoadOptions& options);

}  // namespace resgrad::data
