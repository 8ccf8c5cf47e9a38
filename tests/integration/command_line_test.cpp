// The program as a user runs it.
#include <nlohmann/json.hpp>

#include "tests/integration/program.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;
namespace fs = std::filesystem;

TEST_CASE("wrong usage exits with 2 and lists what is known") {
  Result r = run("train --lerning-rate 0.1");
  CHECK(r.code == 2);
  CHECK(contains(r.out, "--lerning-rate"));
  CHECK(contains(r.out, "--lr-scheduler"));
  r = run("train --model resnet21");
  CHECK(r.code == 2);
  CHECK(contains(r.out, "resnet20,"));
  r = run("train --lr-scheduler linear");
  CHECK(r.code == 2);
  CHECK(contains(r.out, "onecycle"));
  r = run("traïn");
  CHECK(r.code == 2);
  CHECK(contains(r.out, "compare"));
  CHECK(run("").code == 2);
  CHECK(run("train --epochs zero").code == 2);
  CHECK(run("train --batch-size -3").code == 2);
  CHECK(run("train --nesterov=maybe").code == 2);
  CHECK(run("train --lr 0").out ==
        "resgrad: --lr: expected a finite number above 0, got 0\nsee: resgrad train --help\n");
  CHECK(
      run("train --dataset synthetic -b 16 --shards 32").out ==
      "resgrad: --shards: expected at most one for each of the 16 images of a batch, got 32\nsee: "
      "resgrad train --help\n");
  CHECK(run("train --dataset synthetic --bn sync --shards 2").out ==
        "resgrad: --bn: expected local, or sync with a process for each of the 2 shards of an "
        "update, got sync with 1\nsee: resgrad train --help\n");
  CHECK(run("--help").code == 0);
  CHECK(contains(run("train --help").out, "--weight-decay"));
}

TEST_CASE("missing data and files exit with 1 and one line") {
  const TemporaryFolder folder;
  const std::string out = " --output-dir " + (folder.path() / "run").string();
  Result r = run("train --data-path /nonexistent" + out);
  CHECK(r.code == 1);
  CHECK(r.out == "resgrad: cifar10: /nonexistent: expected a folder, found none\n");
  CHECK_FALSE(fs::exists(folder.path() / "run"));
  r = run("train" + out, "cd " + folder.path().string() + " && env -u RESGRAD_DATA");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "scripts/download_cifar10.sh"));
  r = run("eval --checkpoint /nonexistent.safetensors");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "/nonexistent.safetensors"));
  r = run("train --dataset synthetic --model resnet20 --max-steps 1 --output-dir /dev/null/x");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "/dev/null/x"));
}

TEST_CASE("train, eval and compare work together") {
  const TemporaryFolder folder;
  const std::string common =
      " --dataset synthetic --batch-size 32 --limit-eval-batches 2 --limit-train-batches 3";
  const fs::path run_folder = folder.path() / "run";
  Result r =
      run("train --model resnet20 --epochs 2 --print-freq 1 --profile --log-norms --output-dir " +
          run_folder.string() + common);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(contains(r.out, "images/s"));
  CHECK_FALSE(contains(r.out, "\x1b"));  // no terminal, no control characters
  CHECK(contains(r.out, "3x3 16->16 @32x32 backward_weight, "));
  CHECK(contains(text_of(run_folder / "metrics.csv"), "\n2,6,"));
  CHECK(contains(text_of(run_folder / "metrics.jsonl"), "\n{\"step\":6,\"epoch\":2,"));
  CHECK(nlohmann::json::parse(text_of(run_folder / "profile.json"))["traceEvents"].size() > 100);
  CHECK(nlohmann::json::parse(text_of(run_folder / "args.json"))["batch_size"] == 32);

  r = run("eval --limit-eval-batches 2 --json --checkpoint " +
          (run_folder / "last.safetensors").string());
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const auto evaluation = nlohmann::json::parse(r.out);
  CHECK(evaluation["images"] == 256);
  CHECK(evaluation["classes"].size() == 10);
  CHECK(contains(
      run("eval --limit-eval-batches 1 --checkpoint " + (run_folder / "best.safetensors").string())
          .out,
      "checkerboard"));

  const fs::path compare_folder = folder.path() / "compare";
  r =
      run("compare --model resnet20 --variants post,pre --seeds 2 --epochs 1 --quiet "
          "--output-dir " +
          compare_folder.string() + common);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(contains(r.out, "pre - post"));
  CHECK(contains(text_of(compare_folder / "compare.csv"), "difference,pre - post,test_top1,2,"));
  for (const char* run : {"post/seed1", "post/seed2", "pre/seed1", "pre/seed2"}) {
    CHECK(fs::exists(compare_folder / run / "metrics.csv"));
  }
}

TEST_CASE("quiet prints nothing, and the seed decides on the result") {
  const TemporaryFolder folder;
  const auto loss = [&](int seed, const char* name) {
    const fs::path out = folder.path() / name;
    const Result r = run(
        "train --dataset synthetic --model resnet20 --max-steps 2 --limit-eval-batches 1 --quiet "
        "--seed " +
        std::to_string(seed) + " --output-dir " + out.string());
    CHECK(r.code == 0);
    CHECK(r.out.empty());
    const std::string csv = text_of(out / "metrics.csv");
    return csv.substr(0, csv.rfind(',', csv.rfind(',') - 1));
  };
  const std::string first = loss(1, "a");
  CHECK(first == loss(1, "b"));
  CHECK(first != loss(2, "c"));
}

TEST_CASE("a table that cannot be written is found out before the work that fills it") {
  const TemporaryFolder folder;
  const std::string table = (folder.path() / "missing" / "t.csv").string();
  const Result r =
      run("find-lr --dataset synthetic -b 2 --blocks 1 --channels 16 --output " + table);
  CHECK(r.code == 1);
  CHECK(r.out == "resgrad: write: " + table +
                     ": expected to create a file in the folder, got: No such file or directory\n");
}

TEST_CASE("weights that a run begins with are none that it clears away") {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "run").string(), weights = out + "/best.safetensors";
  const std::string common =
      "train --dataset synthetic --blocks 1,1 --channels 16,16 --max-steps 1 -b 2 "
      "--limit-eval-batches 1 --quiet --output-dir ";
  REQUIRE(run(common + out).code == 0);
  const std::string before = text_of(weights);
  for (const char* flag : {"", " --overwrite"}) {
    const Result r = run(common + out + flag + " --weights " + weights);
    CHECK(r.code == 1);
    CHECK_MESSAGE(
        contains(r.out, "train: --weights: expected a file outside of the output folder " + out +
                            ", which is cleared of an earlier run, got " + weights),
        r.out);
    CHECK(text_of(weights) == before);
  }
  const std::string other = (folder.path() / "other").string();
  CHECK(run(common + other + " --weights " + weights).code == 0);
}

TEST_CASE("paths that the record of a run cannot hold are an error before anything is moved") {
  const TemporaryFolder folder;
  const std::string common =
      " --dataset synthetic --max-steps 1 -b 2 --limit-eval-batches 1 --quiet --output-dir ";
  const fs::path out = folder.path() / "r\xe9s";
  for (const std::string& command : {std::string("train"), std::string("compare --seeds 1")}) {
    CAPTURE(command);
    fs::create_directories(out);
    std::ofstream(out / "args.json") << "of an earlier run";
    const Result r = run(command + common + "'" + out.string() + "'");
    CHECK(r.code == 2);
    CHECK(contains(r.out, "output-dir: expected text in UTF-8"));
    CHECK(text_of(out / "args.json") == "of an earlier run");
    CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  }
  // from within, its bytes are in no setting
  const Result r = run("train" + common + "run", "cd '" + out.string() + "' &&");
  CHECK_MESSAGE(r.code == 0, r.out);
  CHECK(fs::exists(out / "run" / "last.safetensors"));
}

TEST_CASE("images that do not fit the network are an error before earlier results are deleted") {
  const TemporaryFolder folder;
  for (const std::string& command :
       {std::string("train --activation pre"), std::string("compare --seeds 1 --variants pre")}) {
    CAPTURE(command);
    const fs::path out = folder.path() / command.substr(0, 5);
    const std::string common = command +
                               " --dataset synthetic --max-steps 1 --limit-eval-batches 1 "
                               "--quiet --output-dir " +
                               out.string();
    REQUIRE(run(common + " -b 2 --blocks 1,1,1").code == 0);
    const fs::path last =
        (command.starts_with("train") ? out : out / "pre" / "seed1") / "last.safetensors";
    const std::string weights = text_of(last);
    // six times halved by pooling, 32 pixels are none; with the stem of ImageNet one
    const std::string deep = " --blocks 1,1,1,1,1,1 --channels 16,16,16,16,16,16";
    Result r = run(common + " -b 2 --overwrite --transition pool" + deep);
    CHECK(r.code == 1);
    CHECK_MESSAGE(contains(r.out,
                           "network: images: expected enough pixels for stem=cifar and 6 "
                           "stages with transition=pool, got 32 a side"),
                  r.out);
    r = run(common + " -b 1 --overwrite --stem imagenet" + deep);
    CHECK(r.code == 1);
    CHECK_MESSAGE(contains(r.out, "--batch-size: expected more than one value per channel"), r.out);
    CHECK(text_of(last) == weights);
  }
}

TEST_CASE("summary, models, info and gradcheck print their tables") {
  CHECK(run("summary --block resnext --in-channels 128 --out-channels 32 --stride 3 --groups 4 "
            "--bottleneck-ratio 4 --input-size 4,128,64,64")
            .out == text_of(RESGRAD_GOLDEN_DIR "/summary/block_6.txt"));
  CHECK(run("summary --block resnet --in-channels 128 --out-channels 32 --bottleneck-ratio 1 "
            "--input-size 4,128,64,64")
            .out == text_of(RESGRAD_GOLDEN_DIR "/summary/block_1.txt"));
  CHECK(run("summary --model resnet20").out == text_of(RESGRAD_GOLDEN_DIR "/summary/resnet20.txt"));
  CHECK(run("summary --model resnet20 --input-size 3,32").code == 2);
  CHECK(run("summary --block resnet").code == 2);
  CHECK(run("summary --block resnet --in-channels 8 --out-channels 8 --blocks 1").code == 2);
  CHECK(run("summary --in-channels 8").code == 2);
  const std::string fields = " --block bottleneck --blocks 1,2 --channels 16,32 --groups 4";
  const Result described = run("summary --depth 1" + fields);
  CHECK(contains(described.out, "\nblocks              1,2\n"));
  CHECK(contains(described.out, "\ngroups              4\n"));
  CHECK(contains(run("models --describe" + fields).out, "\nbottleneck_ratio    4\n"));
  CHECK(contains(run("models --describe --model resnet44").out, "\nparameters          658586\n"));
  CHECK(run("models --model resnet44").code == 2);  // without --describe
  for (const char* command : {"summary", "models --describe", "bench"}) {
    const Result r = run(command + fields + " --bottleneck-ratio 16");
    CHECK(r.code == 2);
    CHECK(contains(r.out, "groups: expected a divisor of the bottlenecks' middle channels 1,2"));
  }
  CHECK(contains(run("models").out, "269722"));
  CHECK(contains(run("info").out, "OpenBLAS"));
  Result r = run("gradcheck --op conv2d --seed 3");
  CHECK(r.code == 0);
  CHECK(contains(r.out, " 0 failed"));
  CHECK(run("gradcheck --op nothing").code == 2);
}

TEST_CASE("bench prints one JSON object with its figures") {
  const Result r =
      run("bench --model resnet20 -b 4 --infer-batch-size 2 --steps 2 --seconds 0.01 --threads 1 "
          "--recompute --json");
  REQUIRE(r.code == 0);
  const nlohmann::json json = nlohmann::json::parse(r.out);
  CHECK(json.at("parameters") == 269722);
  CHECK(json.at("batch_size") == 4);
  CHECK(json.at("infer_batch_size") == 2);
  CHECK(json.at("recompute") == true);
  CHECK(json.at("steps").get<int>() >= 2);
  for (const char* figure : {"train_images_per_s", "infer_images_per_s", "first_step_done_s",
                             "peak_rss_mb", "fma_peak_gflops", "direct_conv_share"}) {
    CAPTURE(figure);
    CHECK(json.at(figure).get<double>() > 0);
  }
  CHECK(json.at("first_step_done_s").get<double>() < 60);  // since the start, not since 1970
}

TEST_CASE("gradcheck checks one engine in float32") {
  Result r = run("gradcheck --conv-engine grouped --threads 1");
  CHECK(r.code == 0);
  CHECK(contains(r.out, "conv2d grouped 3x3 groups of 2: forward, input, weight"));
  CHECK(contains(r.out, " 0 failed (float32 of grouped on "));
  r = run("gradcheck --conv-engine grouped --op relu");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "expected conv2d with --conv-engine grouped"));
  CHECK(run("gradcheck --conv-engine fft").code == 2);
}
