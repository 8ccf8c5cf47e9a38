// The parts of a data set, and predictions image by image, as a user asks for them.
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "data/write_png.h"
#include "tests/integration/program.h"
#include "tests/support/temporary_folder.h"
#include "train/log/metrics.h"

using namespace resgrad;
namespace fs = std::filesystem;

namespace {

nlohmann::json evaluate(const fs::path& weights, const std::string& flags) {
  const Result r = run("eval --json --threads 2 --checkpoint " + weights.string() + " " + flags);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  return nlohmann::json::parse(r.out);
}

std::vector<std::vector<std::string>> cells_of(const fs::path& csv) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(text_of(csv));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line);
    rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, ',');) rows.back().push_back(cell);
  }
  return rows;
}

}  // namespace

TEST_CASE("what a run held out is evaluated later, as the run did it") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  const Result r = run(
      "train --dataset synthetic --model resnet20 --blocks 1,1,1 --val-split 300 --seed 5 -b 50 "
      "--limit-train-batches 4 --epochs 1 --ema-decay 0.5 --quiet --threads 2 --output-dir " +
      out.string());
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const EpochMetrics row = read_metrics_csv(out / "metrics.csv").back();
  const nlohmann::json last = evaluate(out / "last.safetensors", "--split val -b 50");
  CHECK(last["images"] == 300);
  CHECK(last["split"] == "val");
  CHECK(last["loss"] == row.test_loss);
  CHECK(last["top1"] == row.test_top1);
  // its settings are in args.json alone
  CHECK(evaluate(out / "ema.safetensors", "--split val -b 50")["loss"] == row.ema_test_loss);
  CHECK(evaluate(out / "last.safetensors", "--split train")["images"] == 9700);
  CHECK(evaluate(out / "last.safetensors", "--limit-eval-batches 1")["split"] == "test");

  const fs::path csv = folder.path() / "val.csv";
  const nlohmann::json with = evaluate(
      out / "last.safetensors", "--split val -b 50 --top-losses 2 --predictions " + csv.string());
  const auto rows = cells_of(csv);
  REQUIRE(rows.size() == 301);
  double loss = 0, worst = 0;
  std::string worst_index;
  int hits = 0, before = -1;
  for (std::size_t i = 1; i <= 300; ++i) {
    CHECK(std::stoi(rows[i][0]) > before);  // places among the 10000 training images
    before = std::stoi(rows[i][0]);
    hits += rows[i][2] == rows[i][3];
    const double own = std::stod(rows[i][5]);
    loss += own / 300;
    if (own > worst) worst = own, worst_index = rows[i][0];
  }
  CHECK(before < 10000);
  CHECK(before > 5000);
  CHECK(loss == doctest::Approx(row.test_loss));
  CHECK(hits / 3.0 == doctest::Approx(row.test_top1));
  REQUIRE(with["top_losses"].size() == 2);
  CHECK(with["top_losses"][0]["loss"] == worst);
  CHECK(with["top_losses"][0]["index"] == std::stoi(worst_index));
  CHECK(with["top_losses"][1]["loss"] <= worst);
  CHECK(contains(run("eval --limit-eval-batches 1 --top-losses 1 --checkpoint " +
                     (out / "last.safetensors").string())
                     .out,
                 "\nlargest losses\n"));

  // nobody knows of other weights what they were trained on
  fs::remove(out / "args.json");
  const auto fails = [&](const char* file, const std::string& flags, std::string_view part) {
    const Result failed = run("eval --checkpoint " + (out / file).string() + " " + flags);
    CHECK(failed.code == 1);
    CHECK_MESSAGE(contains(failed.out, part), failed.out);
  };
  fails("ema.safetensors", "--split val", "expected the settings of the run");
  fails("last.safetensors", "--split val --dataset cifar10 --data-path /nonexistent",
        "expected synthetic, of which the run took its val images, got cifar10");
  const std::string before_text = text_of(out / "last.safetensors");
  fails("last.safetensors", "--predictions " + (out / "last.safetensors").string(),
        "--predictions: expected another file than");
  CHECK(text_of(out / "last.safetensors") == before_text);
  CHECK(run("eval --split validation --checkpoint " + csv.string()).code == 2);
}

TEST_CASE("a run that held nothing out has no images for validation") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  REQUIRE(run("train --dataset synthetic --blocks 1,1,1 --max-steps 1 -b 8 --limit-eval-batches 1 "
              "--quiet --output-dir " +
              out.string())
              .code == 0);
  const Result r = run("eval --split val --checkpoint " + (out / "last.safetensors").string());
  CHECK(r.code == 1);
  CHECK(contains(r.out,
                 "expected a run with images for validation, got one that was evaluated on "
                 "the test set; --val-split of train holds some out"));
}

TEST_CASE("predictions of own images have their files, by the part that is asked for") {
  const TemporaryFolder folder;
  const fs::path images = folder.path() / "images", out = folder.path() / "run";
  for (const auto& [part, count] : {std::pair{"train", 6}, {"val", 3}, {"test", 2}}) {
    for (const auto& [name, value] : {std::pair{"dark", 30}, {"light", 220}}) {
      fs::create_directories(images / part / name);
      for (int i = 0; i < count; ++i) {
        const data::Image image{
            .height = 16,
            .width = 16,
            .pixels = std::vector<std::uint8_t>(768, static_cast<std::uint8_t>(value + i))};
        data::write_png(images / part / name / fmt::format("{}{}.png", part, i), image);
      }
    }
  }
  REQUIRE(run("train --dataset folder --image-size 16 --blocks 1,1,1 -b 4 --epochs 1 --quiet "
              "--data-path " +
              images.string() + " --output-dir " + out.string())
              .code == 0);
  const auto files = [&](const std::string& split) {
    const fs::path csv = folder.path() / "p.csv";
    evaluate(out / "last.safetensors", "--split " + split + " --data-path " + images.string() +
                                           " --predictions " + csv.string());
    const auto rows = cells_of(csv);
    std::string all;
    for (std::size_t i = 1; i < rows.size(); ++i) {
      CHECK(rows[i][0] == std::to_string(i - 1));
      CHECK(rows[i][1].starts_with(rows[i][2]));  // the folder of the label
      all += rows[i][1] + ' ';
    }
    return all;
  };
  CHECK(files("test") == "dark/test0.png light/test0.png dark/test1.png light/test1.png ");
  CHECK(files("val") ==
        "dark/val0.png light/val0.png dark/val1.png light/val1.png dark/val2.png light/val2.png ");
  CHECK(contains(files("train"), "dark/train0.png light/train0.png dark/train1.png "));
}
