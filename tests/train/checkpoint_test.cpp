#include "train/checkpoint.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/random.h"
#include "tests/support/files.h"
#include "tests/train/tiny_run.h"
#include "train/io/safetensors.h"

using namespace resgrad;
namespace fs = std::filesystem;
using testing::TemporaryFolder;

namespace {

Checkpoint small_checkpoint(std::int64_t step = 7) {
  TrainState state{.epoch_step = 2,
                   .loss = Meter(0.1 + 0.2, 96),
                   .top1 = Meter(1.0 / 3, 96),
                   .seconds = 1.5,
                   .best_top1 = 56.78,
                   .best_step = 5,
                   .skipped = 1,
                   .train_images = 80,
                   .data = "80 and 40 images",
                   .epochs = {{.epoch = 1, .step = 5, .lr = 0.1, .train_loss = 2.5}},
                   .settings = R"({"model":"tiny","lr":0.1})",
                   .machine = "kernels avx2"};
  return {.info = {.model = "tiny", .epoch = 1, .step = step},
          .model = {{"weight", Tensor::from<float>({1, 2, 3}, {3})},
                    {"count", Tensor::from<std::int64_t>({9}, {})}},
          .optimizer = {{"weight", Tensor::from<float>({4, 5, 6}, {3})}},
          .state = state};
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace

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
  ResNet other({.stem_channels = 4, .blocks = {1, 1}, .channels = {4, 8}, .num_classes = 3});
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

TEST_CASE("a checkpoint brings back tensors, sums and rows, exactly") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "c.safetensors";
  const Checkpoint want = small_checkpoint();
  write_checkpoint(file, want);
  const Checkpoint got = read_checkpoint(file);
  CHECK(got.info.model == "tiny");
  CHECK(got.info.epoch == 1);
  CHECK(got.info.step == 7);
  REQUIRE(got.model.size() == 2);
  CHECK(got.model[0].name == "count");
  CHECK(got.model[1].tensor.to_vector<double>() == std::vector<double>{1, 2, 3});
  REQUIRE(got.optimizer.size() == 1);
  CHECK(got.optimizer[0].name == "weight");
  CHECK(got.optimizer[0].tensor.to_vector<double>() == std::vector<double>{4, 5, 6});
  REQUIRE(got.state.has_value());
  const TrainState &a = *got.state, &b = *want.state;
  CHECK(a.epoch_step == b.epoch_step);
  CHECK(a.loss.sum() == b.loss.sum());
  CHECK(a.loss.weight() == b.loss.weight());
  CHECK(a.top1.sum() == b.top1.sum());
  CHECK(a.seconds == b.seconds);
  CHECK(a.best_top1 == b.best_top1);
  CHECK(a.best_step == b.best_step);
  CHECK(a.data == b.data);
  CHECK(a.skipped == b.skipped);
  CHECK(a.train_images == b.train_images);
  CHECK(metrics_csv(a.epochs) == metrics_csv(b.epochs));
  CHECK(a.settings == b.settings);
  CHECK(a.machine == b.machine);
  const std::string bytes = text_of(file);
  write_checkpoint(file, got);
  CHECK(text_of(file) == bytes);
}

TEST_CASE("a part of a checkpoint is read without the rest") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "c.safetensors";
  Checkpoint checkpoint = small_checkpoint();
  checkpoint.ema = checkpoint.model;
  write_checkpoint(file, checkpoint);
  const Checkpoint network = read_checkpoint(file, CheckpointPart::network);
  CHECK(network.info.step == 7);
  CHECK(network.model.size() == 2);
  CHECK(network.optimizer.empty());
  CHECK(network.ema.empty());
  CHECK_FALSE(network.state);
  const Checkpoint header = read_checkpoint(file, CheckpointPart::header);
  CHECK(header.info.step == 7);
  CHECK(header.model.empty());
  REQUIRE(header.state);
  CHECK(header.state->settings == checkpoint.state->settings);

  // damage of the optimiser's part is damage of the file
  std::string bytes = text_of(file);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_text(file, bytes);
  CHECK_THROWS_AS(read_checkpoint(file, CheckpointPart::network), IoError);
  CHECK_NOTHROW(read_checkpoint(file, CheckpointPart::header));
}

TEST_CASE("weights under the names of other code come back under these names") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "w.safetensors";
  Checkpoint want = small_checkpoint();
  want.info.layout = "akamaster";
  want.info.network = "groups=1";
  want.info.class_names = {"cat", "dog"};
  want.info.num_classes = 2;
  want.info.image_size = 48;
  want.info.exif_transpose = false;
  want.info.skip_damaged = true;
  want.optimizer.clear();
  want.state.reset();
  write_checkpoint(file, want);
  const TensorFile contents = read_safetensors(file);
  CHECK(contents.metadata.at("format") == "pt");
  CHECK(contents.checksum);
  CHECK(contents.tensors[0].name == "count");  // as it stands
  const Checkpoint got = read_checkpoint(file, CheckpointPart::network);
  REQUIRE(got.model.size() == 2);
  CHECK(got.model[0].name == "count");
  const CheckpointInfo info = parse_checkpoint_info(contents.metadata, file);
  CHECK(info.layout == "akamaster");
  CHECK(info.network == "groups=1");
  CHECK(info.class_names == want.info.class_names);
  CHECK(info.image_size == 48);
  CHECK_FALSE(info.exif_transpose);
  CHECK(info.skip_damaged);
  CHECK(read_checkpoint_info(file).skip_damaged);
  want.info.exif_transpose = true;
  want.info.skip_damaged = false;
  write_checkpoint(file, want);
  CHECK(read_checkpoint_info(file).exif_transpose);
  CHECK_FALSE(read_checkpoint_info(file).skip_damaged);
}

TEST_CASE("earlier checkpoints move back by one, as many as are kept") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "last.safetensors";
  CHECK(previous_file(file, 2) == folder.path() / "last.2.safetensors");
  const auto step = [](const fs::path& f) { return read_checkpoint_info(f).step; };
  for (std::int64_t i = 1; i <= 5; ++i) write_checkpoint(file, small_checkpoint(i), 2);
  CHECK(step(file) == 5);
  CHECK(step(previous_file(file, 1)) == 4);
  CHECK(step(previous_file(file, 2)) == 3);
  CHECK_FALSE(fs::exists(previous_file(file, 3)));
  write_checkpoint(file, small_checkpoint(6), 0);
  CHECK(step(file) == 6);
  CHECK(step(previous_file(file, 1)) == 4);
  // the copy is a file of its own: the next one replaces `file` and does not write into it
  write_checkpoint(file, small_checkpoint(7), 1);
  write_checkpoint(file, small_checkpoint(8), 0);
  CHECK(step(previous_file(file, 1)) == 6);
  CHECK(step(previous_file(file, 2)) == 3);
}

TEST_CASE("a checkpoint that cannot be written leaves all earlier ones") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "last.safetensors";
  for (std::int64_t i = 1; i <= 3; ++i) write_checkpoint(file, small_checkpoint(i), 2);
  const std::string result = testing::in_child_with_file_limit(512, [&] {
    write_checkpoint(file, small_checkpoint(4), 2);
    return std::string();
  });
  CHECK(result == "uncaught: write: " + file.string() + ": expected to write, got: File too large");
  CHECK(read_checkpoint_info(file).step == 3);
  CHECK(read_checkpoint_info(previous_file(file, 1)).step == 2);
  CHECK(read_checkpoint_info(previous_file(file, 2)).step == 1);
  CHECK_THROWS_AS(write_checkpoint(folder.path() / "missing" / "x.safetensors", {}, 2), IoError);
}

TEST_CASE("every flipped byte of a checkpoint and 200 truncations are errors") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "c.safetensors";
  Checkpoint checkpoint = small_checkpoint();
  checkpoint.model = tiny_net()->state_dict();
  write_checkpoint(file, checkpoint);
  const std::string whole = text_of(file);
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), sizeof header);

  // all of the header, and some of the data
  for (std::size_t i = 0; i < std::min<std::size_t>(8 + header + 500, whole.size()); ++i) {
    for (const unsigned change : {0x01U, 0x20U}) {  // 0x20: the case of a letter
      std::string damaged = whole;
      damaged[i] = static_cast<char>(static_cast<unsigned char>(damaged[i]) ^ change);
      write_text(file, damaged);
      CAPTURE(i);
      CAPTURE(change);
      REQUIRE_THROWS_AS(read_checkpoint(file), IoError);
    }
  }
  Random random(1, Purpose::test);
  for (int i = 0; i < 200; ++i) {
    const auto size =
        static_cast<std::size_t>(random.below(static_cast<std::uint32_t>(whole.size())));
    CAPTURE(size);
    write_text(file, whole.substr(0, size));
    REQUIRE_THROWS_AS(read_checkpoint(file), IoError);
  }
  write_text(file, whole + '\0');
  CHECK_THROWS_AS(read_checkpoint(file), IoError);
  write_text(file, whole);
  CHECK_NOTHROW(read_checkpoint(file));
}

TEST_CASE("files of another version, without checksum or with another state are errors") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "c.safetensors";
  write_checkpoint(file, small_checkpoint());
  const TensorFile good = read_safetensors(file);
  const auto failure = [&](const std::string& key, const std::string& value, bool checksum = true) {
    TensorFile contents = good;
    contents.checksum = checksum;
    contents.metadata[key] = value;
    write_safetensors(file, contents);
    try {
      read_checkpoint(file);
    } catch (const IoError& error) {
      return std::string(error.what()).substr(("checkpoint: " + file.string() + ": ").size());
    }
    return std::string();
  };
  CHECK(failure("format_version", "2").empty());
  CHECK(failure("format_version", "1") == "expected format version 2, got 1");
  CHECK(failure("model", "tiny", false) == "expected a checksum, found none: the file is damaged");
  CHECK(failure("step", "7x") == "step: expected an integer, got \"7x\"");
  CHECK(failure("training", "{").starts_with("training: expected the state of a run, got: "));
  CHECK(failure("training", "{}").starts_with("training: expected the state of a run, got: "));
  const auto bad_state = [&](const std::string& key, const std::string& value) {
    auto state = nlohmann::json::parse(good.metadata.at("training"));
    state[key] = nlohmann::json::parse(value);
    return failure("training", state.dump());
  };
  CHECK(bad_state("skipped", "7").empty());
  for (const std::string key : {"epoch_step", "images", "skipped", "train_images", "best_step"}) {
    for (const std::string value : {"1e+300", "1.5", "-1", "9223372036854775808", "true", "[]"}) {
      CHECK(bad_state(key, value) ==
            fmt::format("training: {}: expected a whole number below 2^63, got {}", key, value));
    }
  }
  const std::string deep(1'000'000, '[');
  CHECK(failure("training", R"({"settings":)" + deep) ==
        "training: expected values nested at most 100 deep, got more");
  CHECK(bad_state("settings", "[1]") == "training: settings: expected an object, got array");
}

TEST_CASE("of a file that does not say which of equal epochs is the best, it is the first") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "last.safetensors";
  Checkpoint checkpoint = small_checkpoint();
  checkpoint.state->epochs.clear();
  for (const auto& [step, top1] : {std::pair{5, 30.0}, {10, 40.0}, {15, 40.0}, {20, 20.0}}) {
    EpochMetrics row{.epoch = step / 5, .step = step};
    row.test_loss = 1;
    row.test_top1 = top1;
    checkpoint.state->epochs.push_back(row);
  }
  checkpoint.state->best_top1 = 40;
  checkpoint.state->best_step = 15;
  write_checkpoint(file, checkpoint);
  CHECK(read_checkpoint(file).state->best_step == 15);
  TensorFile contents = read_safetensors(file);
  auto state = nlohmann::json::parse(contents.metadata.at("training"));
  for (const char* field : {"best_step", "data"}) REQUIRE(state.erase(field) == 1);
  contents.metadata["training"] = state.dump();
  contents.checksum = true;
  write_safetensors(file, contents);
  CHECK(read_checkpoint(file).state->best_step == 10);
  CHECK(read_checkpoint(file).state->data.empty());
}
