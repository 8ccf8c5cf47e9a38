#include "data/datasets.h"

#include <doctest/doctest.h>

#include <fstream>

#include "core/check.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;

TEST_CASE("the synthetic data set needs no folder") {
  const data::DataSplits splits = data::load_data({.name = "synthetic"});
  CHECK(splits.train->size() == 10000);
  CHECK(splits.test->size() == 2000);
  CHECK(splits.test_name == "test");
  CHECK(data::load_test_set({.name = "synthetic"})->images == splits.test->images);
}

TEST_CASE("a held-out part of the training set takes the place of the test set") {
  const data::DataSplits splits = data::load_data({.name = "synthetic", .val_split = 1000});
  CHECK(splits.train->size() == 9000);
  CHECK(splits.test->size() == 1000);
  CHECK(splits.test_name == "validation");
}

TEST_CASE("unknown names and missing folders are errors") {
  CHECK_THROWS_WITH_AS(data::load_data({.name = "mnist"}),
                       "dataset: expected one of cifar10, cifar100, synthetic, got mnist",
                       ValueError);
  CHECK_THROWS_AS(data::load_data({.name = "cifar10", .path = "/nonexistent"}), IoError);
  CHECK_THROWS_AS(data::load_data({.name = "synthetic", .val_split = 10000}), ValueError);
}

TEST_CASE("warnings about the files of both splits are handed on") {
  const TemporaryFolder folder;
  for (const char* name : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                           "data_batch_5", "test_batch"}) {
    const auto file = folder.path() / fmt::format("{}.bin", name);
    std::ofstream(file) << "";
    std::filesystem::resize_file(file, 30730000);
  }
  const data::DataSplits both =
      data::load_data({.name = "cifar10", .path = folder.path().string()});
  REQUIRE(both.warnings.size() == 6);
  CHECK(both.warnings[0].find("data_batch_1.bin") != std::string::npos);
  CHECK(both.warnings[5].find("test_batch.bin") != std::string::npos);
  const data::DataSplits held_out =
      data::load_data({.name = "cifar10", .path = folder.path().string(), .val_split = 10});
  CHECK(held_out.warnings.size() == 5);
}
