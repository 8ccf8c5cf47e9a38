// Networks by flags, own images and going on from weights, as a user runs them.
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "data/write_png.h"
#include "tests/integration/program.h"
#include "tests/support/temporary_folder.h"
#include "train/checkpoint.h"

using namespace resgrad;
namespace fs = std::filesystem;

TEST_CASE("networks are described by flags, which weights files remember") {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "run").string();
  const Result r = run(
      "train --dataset synthetic --max-steps 1 -b 8 --limit-eval-batches 1 --quiet --threads 1 "
      "--model fastresnet8 --channels 8,16,16 --stem-channels 8 --freeze-norm-scale off --pad 2 "
      "--pad-mode reflect --flip alternating --lr-scheduler triangular --norm-bias-lr-scale 64 "
      "--output-dir " +
      out);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const Result evaluated =
      run("eval --limit-eval-batches 1 --tta multicrop --checkpoint " + out + "/last.safetensors");
  CHECK_MESSAGE(evaluated.code == 0, evaluated.out);
  CHECK(run("train --config " + out + "/args.json --max-steps 2 --resume " + out +
            " --logit-scale 0.1111111111111111 --pool max --quiet")
            .out == "");
}

TEST_CASE("a network with a drop path is trained, resumed, evaluated, exported and tuned") {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "run").string(), last = out + "/last.safetensors";
  const std::string train =
      "train --dataset synthetic -b 8 --epochs 2 --limit-train-batches 2 --limit-eval-batches 1 "
      "--quiet --threads 1 --blocks 1,1,1 --channels 8,8,8 --stem-channels 8 --shortcut B ";
  const auto works = [](const std::string& arguments) {
    const Result r = run(arguments);
    CHECK_MESSAGE(r.code == 0, r.out);
  };
  works(train + "--drop-path 0.5 --max-steps 3 --output-dir " + out);
  CHECK(contains(run(train + "--resume auto --output-dir " + out).out,
                 "drop_path is \"0.5\" there and \"0\" here"));
  works(train + "--drop-path 0.5 --resume auto --output-dir " + out);
  works(train + "--drop-path 0.5 --output-dir " + out + "-whole");
  CHECK(text_of(last) == text_of(out + "-whole/last.safetensors"));
  works("eval --limit-eval-batches 1 --checkpoint " + last);
  works("export --layout akamaster --checkpoint " + last + " --output " + out + "/w.safetensors");
  works(
      "train --dataset synthetic -b 8 --limit-eval-batches 1 --quiet --max-steps 1 --drop-path 0 "
      "--weights " +
      last + " --output-dir " + out + "-tuned");
  CHECK(run(train + "--drop-path 1 --output-dir " + out).code == 2);
}

namespace {

using Brightness = std::vector<std::pair<std::string, int>>;

// Classes that the brightness tells apart, of images that differ in size.
void write_own_images(const fs::path& root,
                      const Brightness& classes = {{"dark", 30}, {"light", 220}}) {
  for (const auto& [part, count] : {std::pair{"train", 12}, {"val", 4}}) {
    for (const auto& [name, value] : classes) {
      fs::create_directories(root / part / name);
      for (int i = 0; i < count; ++i) {
        data::Image image{.height = 16 + i, .width = 20 + i % 3};
        for (int p = 0; p < 3 * image.height * image.width; ++p) {
          image.pixels.push_back(static_cast<std::uint8_t>(value + (p * 7 + i) % 30));
        }
        data::write_png(root / part / name / fmt::format("{}.png", i), image);
      }
    }
  }
}

}  // namespace

TEST_CASE("own images: damaged ones are named or left out, and the weights know the classes") {
  const TemporaryFolder folder;
  const fs::path images = folder.path() / "images", out = folder.path() / "run";
  write_own_images(images);
  std::ofstream(images / "train" / "dark" / "bad.png") << "\x89PNG\r\n\x1a\n";
  const std::string train = fmt::format(
      "train --dataset folder --data-path {} --image-size 16 --model resnet20 -b 8 --epochs 1 "
      "--no-augment --threads 1 --output-dir {}",
      images.string(), out.string());
  Result r = run(train);
  CHECK(r.code == 1);
  CHECK(contains(r.out, "bad.png"));
  CHECK_FALSE(fs::exists(out));
  r = run(train + " --skip-damaged");
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(contains(r.out, "bad.png"));
  const std::string weights = (out / "last.safetensors").string();
  const CheckpointInfo info = read_checkpoint_info(weights);
  CHECK(info.class_names == std::vector<std::string>{"dark", "light"});
  CHECK(info.image_size == 16);
  CHECK(info.num_classes == 2);

  r = run("eval --json --checkpoint " + weights + " --data-path " + images.string());
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const auto evaluation = nlohmann::json::parse(r.out);
  CHECK(evaluation["images"] == 8);
  CHECK(evaluation["classes"][1]["name"] == "light");
  r = run("eval --checkpoint " + weights);
  CHECK(r.code == 1);
  CHECK(contains(r.out, "--data-path: expected the folder of the images"));

  const fs::path shown = folder.path() / "shown";
  r = run(fmt::format("predict --json --checkpoint {} --data-path {} --index 0,7 --save-images {}",
                      weights, images.string(), shown.string()));
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const auto predictions = nlohmann::json::parse(r.out)["predictions"];
  REQUIRE(predictions.size() == 2);
  CHECK(predictions[0]["label"] == "dark");
  CHECK(predictions[1]["label"] == "light");
  CHECK(predictions[1]["image"] == (shown / "image001.png").string());
  const data::Image seen = data::read_image(shown / "image001.png");
  CHECK(seen.height == 16);
  CHECK(seen.at(8, 8, 0) >= 220);
  const fs::path one = images / "val" / "light" / "0.png";
  r = run(fmt::format("predict --json --checkpoint {} {}", weights, one.string()));
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(nlohmann::json::parse(r.out)["predictions"][0]["top"].size() == 2);
  CHECK(contains(r.out, "\"light\""));

  // the names and the size of the images travel with exported weights
  const std::string exported = (folder.path() / "w.safetensors").string();
  r = run("export --layout akamaster --checkpoint " + weights + " --output " + exported);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const std::string back = (folder.path() / "i.safetensors").string();
  r = run("import --weights " + exported + " --output " + back);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const std::string want = run("predict --json --checkpoint " + weights + ' ' + one.string()).out;
  CHECK(run("predict --json --checkpoint " + exported + ' ' + one.string()).out == want);
  CHECK(run("predict --json --checkpoint " + back + ' ' + one.string()).out == want);
}

TEST_CASE("fine-tuning: weights of ten classes go on with three, and frozen parts stay") {
  const TemporaryFolder folder;
  const fs::path images = folder.path() / "images", base = folder.path() / "base";
  write_own_images(images, {{"dark", 30}, {"grey", 120}, {"light", 220}});
  const std::string common = " -b 8 --limit-eval-batches 1 --threads 1 --quiet --output-dir ";
  Result r = run(
      "train --blocks 1,1 --channels 8,16 --stem-channels 8 --activation pre --dataset synthetic "
      "--max-steps 3" +
      common + base.string());
  REQUIRE_MESSAGE(r.code == 0, r.out);

  const std::string weights = (base / "last.safetensors").string();
  const auto fine_tune = [&](const std::string& flags, const std::string& name) {
    return run("train --dataset folder --image-size 16 --epochs 2 --data-path " + images.string() +
               ' ' + flags + common + (folder.path() / name).string());
  };
  r = fine_tune("--weights " + weights, "none");
  CHECK(r.code == 1);
  CHECK(
      contains(r.out, "expected weights for the 3 classes of the data, got 10; with --reset-head"));
  CHECK_FALSE(fs::exists(folder.path() / "none"));
  const std::string flags =
      "--reset-head --freeze stem,stage1 --lr-scale fc=10,stage2=0.5 --weights ";
  r = fine_tune(flags + weights, "tuned");
  REQUIRE_MESSAGE(r.code == 0, r.out);

  const fs::path tuned_file = folder.path() / "tuned" / "last.safetensors";
  const Checkpoint before = read_checkpoint(weights), tuned = read_checkpoint(tuned_file);
  CHECK(tuned.info.class_names == std::vector<std::string>{"dark", "grey", "light"});
  CHECK(tuned.info.activation == "pre");
  REQUIRE(tuned.model.size() == before.model.size());
  for (std::size_t i = 0; i < before.model.size(); ++i) {
    const NamedTensor &was = before.model[i], &is = tuned.model[i];
    CAPTURE(was.name);
    REQUIRE(is.name == was.name);
    const bool frozen = was.name.starts_with("stem.") || was.name.starts_with("stage1.");
    const bool same = was.tensor.shape() == is.tensor.shape() &&
                      std::equal(was.tensor.bytes(), was.tensor.bytes() + was.tensor.byte_size(),
                                 is.tensor.bytes());
    CHECK(same == frozen);
  }
  const auto args = nlohmann::json::parse(text_of(folder.path() / "tuned" / "args.json"));
  CHECK(args["weights"] == weights);
  CHECK(args["channels"] == "8,16");

  // what goes on from its checkpoint has no need of the weights that it began with
  const std::string bytes = text_of(tuned_file);
  fs::remove_all(base);
  r = fine_tune(flags + weights + " --resume auto", "tuned");
  CHECK_MESSAGE(r.code == 0, r.out);
  CHECK(text_of(tuned_file) == bytes);
  r = fine_tune(flags + weights, "none");
  CHECK(r.code == 1);
  CHECK(contains(r.out, weights));

  // flags name another network than that of the weights
  r = fine_tune("--channels 8,24 --weights " + tuned_file.string(), "none");
  CHECK(r.code == 1);
  CHECK(contains(r.out,
                 "different: stage2.0.main_path.2.weight: expected float32 [24, 8, 3, 3], got"));
  CHECK(contains(r.out, " more"));
  r = fine_tune("--freeze stage7 --weights " + tuned_file.string(), "none");
  CHECK(r.code == 2);
  CHECK(contains(r.out, "expected parts of the network (stem, stage1, stage2, norm, fc), got"));
  CHECK_FALSE(fs::exists(folder.path() / "none"));
}

TEST_CASE("a network by its fields is known to its weights file") {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "run").string();
  Result r = run(
      "train --block bottleneck --blocks 1,1,1 --channels 16,32,64 --groups 4 --bottleneck-ratio 2 "
      "--activation pre --dataset synthetic --max-steps 2 -b 8 --limit-eval-batches 1 --threads 1 "
      "--output-dir " +
      out);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  r = run("eval --limit-eval-batches 1 --checkpoint " + out + "/last.safetensors");
  CHECK_MESSAGE(r.code == 0, r.out);
  r = run("predict --index 0 --checkpoint " + out + "/last.safetensors");
  CHECK_MESSAGE(r.code == 0, r.out);
  r =
      run("train --block bottleneck --blocks 1,1 --channels 16,30 --groups 4 --bottleneck-ratio 2 "
          "--dataset synthetic --output-dir " +
          out + "2");
  CHECK(r.code == 2);
  CHECK(contains(r.out, "groups"));
  CHECK(contains(r.out, "8,15"));
}
