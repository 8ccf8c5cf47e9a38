#include "data/datasets.h"

#include <doctest/doctest.h>

#include "core/check.h"

using namespace resgrad;

TEST_CASE("the synthetic data set needs no folder") {
  const data::DataSplits splits = data::load_data("synthetic", "", 0, 1);
  CHECK(splits.train->size() == 10000);
  CHECK(splits.test->size() == 2000);
  CHECK(splits.test_name == "test");
  CHECK(data::load_test_set("synthetic", "")->images == splits.test->images);
}

TEST_CASE("a held-out part of the training set takes the place of the test set") {
  const data::DataSplits splits = data::load_data("synthetic", "", 1000, 1);
  CHECK(splits.train->size() == 9000);
  CHECK(splits.test->size() == 1000);
  CHECK(splits.test_name == "validation");
}

TEST_CASE("unknown names and missing folders are errors") {
  CHECK_THROWS_WITH_AS(data::load_data("mnist", "", 0, 1),
                       "dataset: expected one of cifar10, cifar100, synthetic, got mnist",
                       ValueError);
  CHECK_THROWS_AS(data::load_data("cifar10", "/nonexistent", 0, 1), IoError);
  CHECK_THROWS_AS(data::load_data("synthetic", "", 10000, 1), ValueError);
}
