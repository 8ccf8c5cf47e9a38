#include "train/checkpoint.h"

#include <doctest/doctest.h>

#include <fstream>

#include "core/check.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/tiny_run.h"
#include "train/safetensors.h"

using namespace resgrad;

TEST_CASE("weights come back as they were written, with what the file says about itself") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "w.safetensors";
  const auto saved = tiny_net(1);
  (*saved)(Tensor::ones({2, 3, 8, 8}));  // moves the running statistics
  save_weights(file, *saved,
               {.model = "tiny",
                .activation = "post",
                .dataset = "synthetic",
                .num_classes = 10,
                .epoch = 3,
                .step = 42});
  const CheckpointInfo info = read_checkpoint_info(file);
  CHECK(info.model == "tiny");
  CHECK(info.activation == "post");
  CHECK(info.epoch == 3);
  CHECK(info.step == 42);
  CHECK(info.normalisation == "synthetic");  // that of the data set, as nothing else was said
  const auto loaded = tiny_net(2);
  load_weights(file, *loaded);
  const auto a = saved->state_dict(), b = loaded->state_dict();
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].name);
    CHECK(a[i].tensor.to_vector<double>() == b[i].tensor.to_vector<double>());
  }
}

TEST_CASE("a normalisation of its own comes back") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "w.safetensors";
  save_weights(file, *tiny_net(), {.dataset = "cifar10", .normalisation = "0,0,0,1,1,1"});
  CHECK(read_checkpoint_info(file).normalisation == "0,0,0,1,1,1");
}

TEST_CASE("weights of another network are an error that names the tensors") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "w.safetensors";
  save_weights(file, *tiny_net(), {.model = "tiny"});
  ResNet other({.stem_channels = 4, .stages = {{1, 4, 0}, {1, 8, 0}}, .num_classes = 3});
  try {
    load_weights(file, other);
    FAIL("expected an error");
  } catch (const ValueError& error) {
    CHECK(
        std::string(error.what()).find("fc.weight: expected float32 [3, 8], got float32 [10, 8]") !=
        std::string::npos);
  }
}

TEST_CASE("files that are not of ours are errors") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "w.safetensors";
  CHECK_THROWS_AS(read_checkpoint_info(file), IoError);
  std::ofstream(file) << "no safetensors";
  CHECK_THROWS_AS(read_checkpoint_info(file), IoError);
  write_safetensors(file, {.tensors = {}, .metadata = {{"format", "pt"}}});
  CHECK_THROWS_AS(read_checkpoint_info(file), IoError);
}
