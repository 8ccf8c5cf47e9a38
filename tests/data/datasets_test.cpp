#include "data/datasets.h"

#include <doctest/doctest.h>

#include <fstream>

#include "core/check.h"
#include "tests/data/image_files.h"
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
                       "dataset: expected one of cifar10, cifar100, synthetic, folder, got mnist",
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

TEST_CASE("a folder of images is trained on train and evaluated on val, with its own statistics") {
  const TemporaryFolder folder;
  const auto add_image = [&](const std::string& file, unsigned char grey) {
    const auto path = folder.path() / file;
    std::filesystem::create_directories(path.parent_path());
    data::write_file(path, data::encode_png(1, PNG_COLOR_TYPE_GRAY, 8, {{grey}}));
  };
  const data::LoadOptions options{
      .name = "folder", .path = folder.path().string(), .folder = {.image_size = 1}};
  const std::string start = "folder: " + folder.path().string() + ": expected ";
  CHECK_THROWS_WITH_AS(
      data::load_data(options),
      (start + "a folder train in it, with a folder for each class, found none").c_str(), IoError);
  add_image("train/a/1.png", 0);
  add_image("train/b/1.png", 102);
  CHECK_THROWS_WITH_AS(data::load_data(options),
                       (start + "a folder val or test in it, or some of the training images held "
                                "out (--val-split), found neither")
                           .c_str(),
                       IoError);
  CHECK_THROWS_AS(data::load_test_set(options), IoError);
  add_image("test/b/1.png", 7);
  data::DataSplits splits = data::load_data(options);
  CHECK(splits.test_name == "test");
  CHECK(splits.train->labels == std::vector<std::uint8_t>{0, 1});
  CHECK(splits.test->labels == std::vector<std::uint8_t>{1});  // although it is the first folder
  CHECK(splits.test->class_names == splits.train->class_names);
  // 0 and 102 / 255 = 0.4
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(splits.normalisation.mean[c] == doctest::Approx(0.2));
    CHECK(splits.normalisation.std[c] == doctest::Approx(0.2));
  }
  CHECK(data::load_test_set(options)->labels == std::vector<std::uint8_t>{1});
  add_image("val/a/1.png", 8);
  add_image("val/notes", 9);
  splits = data::load_data(options);
  CHECK(splits.test_name == "validation");
  CHECK(splits.test->images[0] == 8);
  CHECK(splits.warnings.size() == 1);
  CHECK(data::load_test_set(options)->images[0] == 7);
  data::LoadOptions held_out = options;
  held_out.val_split = 1;
  splits = data::load_data(held_out);
  CHECK(splits.test->size() == 1);
  CHECK(splits.train->size() == 1);
  CHECK(splits.normalisation.std[0] == 1);  // one image of one colour
  // a weights file knows the classes; the training images need not be there
  std::filesystem::remove_all(folder.path() / "train");
  data::LoadOptions known = options;
  known.folder.classes = {"x", "a", "b"};
  CHECK(data::load_test_set(known)->labels == std::vector<std::uint8_t>{2});
  CHECK_THROWS_AS(data::load_data({.name = "folder", .path = "/nonexistent"}), IoError);
}
