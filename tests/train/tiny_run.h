// A network and data that train in milliseconds.
#pragma once

#include <filesystem>

#include "data/datasets.h"
#include "data/synthetic.h"
#include "models/models.h"
#include "nn/init.h"
#include "train/run_options.h"

namespace resgrad {

inline std::shared_ptr<ResNet> tiny_net(std::uint64_t seed = 1) {
  const init::InitScope scope(seed);
  return std::make_shared<ResNet>(
      ResNetConfig{.stem_channels = 4, .blocks = {1, 1}, .channels = {4, 8}});
}

inline std::shared_ptr<const data::Dataset> tiny_data(std::int64_t n,
                                                      data::Split split = data::Split::train) {
  return std::make_shared<const data::Dataset>(data::make_synthetic(split, n, 0));
}

inline data::DataSplits tiny_splits(std::int64_t train = 80, std::int64_t test = 40) {
  return {.train = tiny_data(train),
          .test = tiny_data(test, data::Split::test),
          .test_name = "test",
          .normalisation = data::normalisation("synthetic")};
}

inline RunOptions tiny_options(const std::filesystem::path& folder) {
  RunOptions o;
  o.output_dir = folder.string();
  o.quiet = true;
  o.epochs = 2;
  o.batch_size = 16;
  o.dataset = "synthetic";
  return o;
}

}  // namespace resgrad
