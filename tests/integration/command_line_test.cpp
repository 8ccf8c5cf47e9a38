// The program as a user runs it.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/write_png.h"
#include "tests/integration/program.h"
#include "tests/support/temporary_folder.h"
#include "train/checkpoint.h"
#include "train/run_options.h"

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
        "resgrad: --lr: expected a number above 0, got 0\nsee: resgrad train --help\n");
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
    CHECK(r.code == 1);
    CHECK(contains(r.out, "output_dir: expected text in UTF-8"));
    CHECK(text_of(out / "args.json") == "of an earlier run");
    CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  }
  // from within, its bytes are in no setting
  const Result r = run("train" + common + "run", "cd '" + out.string() + "' &&");
  CHECK_MESSAGE(r.code == 0, r.out);
  CHECK(fs::exists(out / "run" / "last.safetensors"));
}

// The settings in a file of this text, applied to a run of one step, and what came of it.
static Result run_with_config(const fs::path& folder, const std::string& text,
                              const std::string& name = "config.toml",
                              const std::string& flags = "") {
  std::ofstream(folder / name) << text;
  return run(
      "train --dataset synthetic --max-steps 1 -b 2 --limit-eval-batches 1 --quiet --config " +
      (folder / name).string() + " --output-dir " + (folder / "run").string() + " " + flags);
}

TEST_CASE("a run repeats from its args.json, and flags win over it") {
  const TemporaryFolder folder;
  const fs::path first = folder.path() / "first", second = folder.path() / "second";
  const Result r = run(
      "train --dataset synthetic --model resnet20 --activation pre --epochs 2 -b 16 "
      "--limit-train-batches 2 --limit-eval-batches 1 --optimizer adamw --lr 0.0123456789 --seed 7 "
      "--lr-scheduler multistep --lr-milestones 1,2 --no-norm-decay --quiet --keep 0 "
      "--output-dir " +
      first.string());
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const std::string config = "train --config " + (first / "args.json").string();
  REQUIRE(run(config + " --output-dir " + second.string()).code == 0);
  auto there = nlohmann::json::parse(text_of(first / "args.json"));
  auto here = nlohmann::json::parse(text_of(second / "args.json"));
  CHECK(here["lr_milestones"] == std::vector<int>{1, 2});
  CHECK(here["lr"] == 0.0123456789);
  there.erase("output_dir");
  CHECK(here.erase("output_dir") == 1);
  CHECK(here == there);
  CHECK(text_of(first / "last.safetensors") == text_of(second / "last.safetensors"));

  const Result other =
      run(config + " --seed 8 --no-norm-decay=false --output-dir " + second.string());
  REQUIRE_MESSAGE(other.code == 0, other.out);
  here = nlohmann::json::parse(text_of(second / "args.json"));
  CHECK(here["seed"] == 8);
  CHECK(here["no_norm_decay"] == false);
  CHECK(text_of(first / "last.safetensors") != text_of(second / "last.safetensors"));
}

TEST_CASE("a file of settings may have comments, underscores and lists") {
  const TemporaryFolder folder;
  const Result r = run_with_config(
      folder.path(),
      "# a comment\nlr = 0.25  # another\nlr_milestones = [3, 5]\nlr-scheduler = \"multistep\"\n"
      "nesterov = true\nlog-norms = false\nseed=9\n");
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const auto args = nlohmann::json::parse(text_of(folder.path() / "run" / "args.json"));
  CHECK(args["lr"] == 0.25);
  CHECK(args["lr_milestones"] == std::vector<int>{3, 5});
  CHECK(args["lr_scheduler"] == "multistep");
  CHECK(args["nesterov"] == true);
  CHECK(args["log_norms"] == false);
  CHECK(args["seed"] == 9);
  CHECK(args["dataset"] == "synthetic");
}

TEST_CASE("a file of settings may be written on other systems, over lines and in sections") {
  const TemporaryFolder folder;
  const Result r =
      run_with_config(folder.path(),
                      "\xef\xbb\xbf# a mark of the byte order\r\n"
                      "lr = 0.25\r\n"
                      "lr-milestones = [\r\n  3,  # a comment ] in between\r\n  5\r\n]\r\n"
                      "data-path = \"a # b\"\r\n"
                      "[train]\r\nlr-scheduler = \"multistep\"\r\n"
                      "[compare]\r\nseeds = 2\r\n");
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const auto args = nlohmann::json::parse(text_of(folder.path() / "run" / "args.json"));
  CHECK(args["lr"] == 0.25);
  CHECK(args["lr_milestones"] == std::vector<int>{3, 5});
  CHECK(args["lr_scheduler"] == "multistep");
  CHECK(args["data_path"] == "a # b");
}

TEST_CASE("help fits 80 columns and has the groups of the settings") {
  for (const char* command : {"", "train ", "eval ", "predict ", "compare ", "export ", "import ",
                              "bench ", "summary ", "gradcheck ", "models ", "info "}) {
    const Result r = run(std::string(command) + "--help");
    CHECK(r.code == 0);
    std::istringstream lines(r.out);
    for (std::string line; std::getline(lines, line);) {
      CAPTURE(line);
      CHECK(line.size() <= 80);
    }
  }
  const std::string help = run("train --help").out;
  std::size_t place = 0;
  for (const char* group : {"\nNetwork:\n", "\nData:\n", "\nOptimisation:\n", "\nSchedule:\n",
                            "\nRun:\n", "\nOutput:\n", "\nMachine:\n"}) {
    CAPTURE(group);
    const std::size_t found = help.find(group);
    REQUIRE(found != std::string::npos);
    CHECK(found > place);
    place = found;
  }
}

TEST_CASE("numbers that are none of a setting exit with 2 before anything is read") {
  // each would end with 1, were the data or the weights looked for first
  const auto refused = [](const std::string& arguments, std::string_view part) {
    CAPTURE(arguments);
    const Result r = run(arguments);
    CHECK(r.code == 2);
    CHECK_MESSAGE(contains(r.out, part), r.out);
  };
  const std::string train = "train --data-path /nonexistent ";
  for (const char* word : {"=-1", "=18446744073709551616", " ''"}) {
    refused(train + "--seed" + word, "--seed: expected an integer of 0 to 18446744073709551615");
  }
  // the words themselves: tests/train/settings_test.cpp
  RunOptions options;
  for (const Setting& row : settings(options)) {
    const auto value = json_value(row);
    const bool words = std::holds_alternative<std::vector<std::string>*>(row.value);
    if (words || (!value.is_number() && !value.is_null() && !is_list(row))) continue;
    const std::string flag = "--" + std::string(row.name);
    refused(train + flag + "=nan", flag + ": expected ");
  }
  for (const char* flag : {"--resume", "--output-dir"}) {
    refused(train + flag + "=''", std::string(flag) + ": expected text, got \"\"");
  }
  refused("train --data-path=''", "--data-path: expected text, got \"\"");
  refused("compare --data-path /nonexistent --target-loss nan", "--target-loss: expected");
  refused("compare --data-path /nonexistent --seeds 0", "--seeds: expected");
  refused("predict --checkpoint /nonexistent --index 1x", "--index: expected");
  refused("predict --checkpoint /nonexistent --index ''", "--index: expected");
  refused("predict --checkpoint /nonexistent --index 1 --top-k 0", "--top-k: expected");
  refused("eval --checkpoint /nonexistent -b 0", "--batch-size: expected");
  refused("summary --input-size 1,3,32,99999999999999999999", "--input-size: expected");
  refused("bench --seconds nan", "--seconds: expected");
  refused("gradcheck --seed -1", "--seed: expected");
}

TEST_CASE("settings that do not go together exit with 2 before anything is read") {
  const auto refused = [](const std::string& arguments, std::string_view message) {
    const Result r = run("train --data-path /nonexistent " + arguments);
    CHECK(r.code == 2);
    CHECK_MESSAGE(contains(r.out, message), r.out);
  };
  refused("--optimizer adamw --momentum 0.5", "momentum: expected its default with the optimizer");
  refused("--nesterov --momentum 0", "nesterov");
  refused("--lr-scheduler multistep --lr-milestones 5,3", "milestones: expected ascending");
  refused("--lr-scheduler onecycle --lr-warmup-epochs 1",
          "warmup_epochs: expected 0 with onecycle");
  refused("--blocks 3,x,3", "blocks: expected whole numbers with commas");
  refused("--stem imagenet --whiten-stem on", "whiten_stem");
  refused("--shortcut C", "shortcut: expected one of A, B, got C");
}

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

TEST_CASE("threads are those of OMP_NUM_THREADS, and not without limit") {
  const auto threads = [](const std::string& flags, const char* before) {
    return run("info " + flags, before).out;
  };
  CHECK(contains(threads("", "OMP_NUM_THREADS=3"), "threads               3 (of "));
  CHECK(contains(threads("--threads 2", "OMP_NUM_THREADS=3"), "threads               2 (of "));
  const std::string most = threads("--threads 100000", "");
  CHECK(contains(most, "resgrad: --threads: 100000 threads are more than the "));
  CHECK_FALSE(contains(most, "threads               100000"));
  const TemporaryFolder folder;
  const Result r = run(
      "train --dataset synthetic --max-steps 1 -b 2 --limit-eval-batches 1 --threads 1 -j 100000 "
      "--lr-milestones 3 --output-dir " +
      (folder.path() / "run").string());
  CHECK(r.code == 0);
  CHECK(contains(r.out, "resgrad: --workers: 100000 threads are more than the 64 that are used"));
  CHECK(contains(text_of(folder.path() / "run" / "train.log"), "lr-milestones has no effect"));
}

TEST_CASE("settings without effect on what a subcommand does exit with 2") {
  const auto refused = [](const std::string& arguments, std::string_view message) {
    const Result r = run(arguments);
    CHECK(r.code == 2);
    CHECK_MESSAGE(contains(r.out, message), r.out);
  };
  refused("summary --in-channels 3", "--in-channels: expected only with --block, got it otherwise");
  refused("summary --block resnet --in-channels 3 --out-channels 3 --model resnet20",
          "--model: expected only without --block");
  refused("predict --checkpoint x --index 1 --crop-size 9",
          "--crop-size: expected only with IMAGE");
  refused("predict --checkpoint x --input x --dataset cifar10",
          "--dataset: expected only with --index");
}

TEST_CASE("the defaults of an optimiser that a file names are its own") {
  const TemporaryFolder folder;
  REQUIRE(run_with_config(folder.path(), "optimizer = \"adamw\"").code == 0);
  const auto args = nlohmann::json::parse(text_of(folder.path() / "run" / "args.json"));
  CHECK(args["lr"] == 0.001);
  CHECK(args["weight_decay"] == 0.01);
}

TEST_CASE("wrong settings in a file exit with 2 and say what is wrong") {
  const TemporaryFolder folder;
  const auto fails = [&](const std::string& text, std::string_view part,
                         const std::string& name = "config.toml") {
    CAPTURE(text);
    const Result r = run_with_config(folder.path(), text, name);
    CHECK(r.code == 2);
    CHECK_MESSAGE(contains(r.out, part), r.out);
    CHECK(contains(r.out, (folder.path() / name).string()));
    CHECK_FALSE(fs::exists(folder.path() / "run"));
  };
  fails("lerning-rate = 0.1", "lerning-rate: expected a setting of train, got an unknown one");
  fails("config = \"other.toml\"", "config: expected a setting of train");
  fails("help = true", "help: expected a setting of train");
  fails("epochs = ten",
        "line 1: expected TOML, such as lr = 0.1 or model = \"resnet20\", got: "
        "epochs = ten: ");
  fails("epochs = 1.5", "epochs: expected an integer of 1 to 9223372036854775807, got 1.5");
  fails("epochs = 0", "epochs: expected an integer of 1 to 9223372036854775807, got 0");
  fails("epochs = true", "epochs: expected an integer of 1 to 9223372036854775807, got true");
  fails("epochs = \"3\"", "epochs: expected an integer of 1 to 9223372036854775807, got \"3\"");
  fails("epochs =", "line 1: expected TOML");
  fails("lr = 1\nepochs = 016", "line 2: expected TOML");
  fails("epochs = 0x10", "line 1: expected a finite decimal number, got 0x10");
  fails("lr = nan", "line 1: expected a finite decimal number, got nan");
  // the reader of the file makes the largest integer of it
  fails("epochs = 99999999999999999999", "epochs: expected an integer of 1 to 9223372036854775807");
  fails("lr-milestones = [1,\n 9223372036854775808]", "lr-milestones: expected");
  fails("epochs = 3\nepochs = 4", "line 2: expected TOML");
  fails("lr-gamma = 0.1\nlr_gamma = 0.1", "expected each setting once");
  fails("nesterov = 1", "nesterov: expected true or false, got 1");
  fails("lr-milestones = [1, \"two\"]", "lr-milestones: expected a list, each to be an integer");
  fails("lr-milestones = [1, 2", "line 2: expected TOML");
  fails("lr = 1979-05-27", "line 1: expected text, a number, true, false or a list");
  fails("model = \"resnet21\"", "model: expected one of resnet20, ");
  fails("[tain]\nlr = 0.1", "tain: expected a setting of train, got an unknown one");
  fails("lr = 0.2\n[train]\nlr = 0.1", "lr: expected each setting once");
  fails("[train]\nlerning-rate = 0.1", "lerning-rate: expected a setting of train");
  fails("[train.lr]\nx = 0.1", "lr: expected a number above 0, got {\"x\":0.1}");
  fails("just words", "line 1: expected TOML");
  const std::string json = R"({"model": "resnet20", "epochs": 3, "lr": 0.1})";
  for (const std::size_t length : {std::size_t{0}, json.size() / 2, json.size() - 1}) {
    fails(json.substr(0, length), "expected a JSON object", "damaged.json");
  }
  fails(R"({"epochs": "three"})", "epochs: ", "args.json");
  for (const char* value : {"true", "null", R"({"a":1})", "[1,2]", "18446744073709551616"}) {
    fails(std::string(R"({"epochs": )") + value + "}", "epochs: expected an integer of 1 to ",
          "args.json");
  }
  fails(R"({"epochs": 1, "epochs": 2})", "epochs: expected each setting once", "args.json");
  fails(R"({"teacher": 1})", "teacher: expected a setting", "args.json");
  fails("[1]", "expected a JSON object, got array", "args.json");

  Result r = run("train --config /nonexistent.toml");
  CHECK(r.code == 2);
  CHECK(contains(r.out, "/nonexistent.toml: expected a file that can be read, got: No such file"));
  r = run("train --config " + folder.path().string());
  CHECK(r.code == 2);
  CHECK(contains(r.out, "expected a file, got a folder"));
  CHECK(run_with_config(folder.path(), "seed = 5", "config.toml", "--seed 6").code == 0);
}

TEST_CASE("compare takes settings from a file") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "config.toml", out = folder.path() / "compare";
  std::ofstream(file) << "epochs = 1\nvariants = [\"pre\", \"post\"]\nseeds = 1\nlr = 0.01\n";
  const std::string flags =
      " --dataset synthetic -b 8 --limit-train-batches 1 "
      "--limit-eval-batches 1 --quiet --output-dir " +
      out.string();
  const Result r = run("compare --config " + file.string() + flags);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(nlohmann::json::parse(text_of(out / "pre" / "seed1" / "args.json"))["lr"] == 0.01);
  CHECK(contains(r.out, "post - pre"));
  // the order belongs to the variants
  CHECK(run("compare --config " + (out / "pre" / "seed1" / "args.json").string() + flags).code ==
        2);
}

// A comparison of one epoch in `folder`, and what came of it.
static Result run_comparison(const fs::path& folder, const std::string& flags) {
  return run(
      "compare --dataset synthetic -b 8 --epochs 1 --limit-train-batches 2 --limit-eval-batches 1 "
      "--quiet --threads 1 --output-dir " +
      folder.string() + ' ' + flags);
}

TEST_CASE("a comparison has the runs of its settings alone") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "c";
  REQUIRE(run_comparison(out, "--seeds 2").code == 0);
  const std::string first = text_of(out / "compare.csv");

  // found before anything has trained, wherever the differing run is in the order
  fs::remove_all(out / "post" / "seed1");
  Result r = run_comparison(out, "--seeds 2 --lr 0.001 --resume auto");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "lr is 0.1 there and 0.001 here"));
  CHECK(contains(r.out, (out / "pre" / "seed1").string()));
  CHECK_FALSE(fs::exists(out / "post" / "seed1"));
  CHECK(text_of(out / "compare.csv") == first);

  // without --resume a new comparison, with nothing of the old
  r = run_comparison(out, "--seeds 1 --lr 0.001");
  CHECK_MESSAGE(r.code == 0, r.out);
  CHECK_FALSE(fs::exists(out / "pre" / "seed2"));
  CHECK(text_of(out / "previous-1" / "compare.csv") == first);
  CHECK(fs::exists(out / "previous-1" / "pre" / "seed2" / "last.safetensors"));
  CHECK(nlohmann::json::parse(text_of(out / "args.json"))["lr"] == 0.001);

  // more seeds go on from it, and fewer leave out what they do not ask for
  REQUIRE(run_comparison(out, "--seeds 2 --lr 0.001 --resume auto").code == 0);
  const std::string runs = text_of(out / "runs.csv");
  CHECK(runs.starts_with(
      "variant,seed,result,epochs,train_loss,test_top1,parameters,multiply_adds,images_per_s,"
      "minutes\npost,1,finished,1,"));
  CHECK(contains(runs, "\npre,2,finished,1,"));
  REQUIRE(run_comparison(out, "--seeds 1 --lr 0.001 --resume auto").code == 0);
  CHECK_FALSE(contains(text_of(out / "runs.csv"), "pre,2"));

  // a run is no comparison
  CHECK(contains(run_comparison(out / "pre" / "seed1", "").out,
                 "expected a folder for a comparison"));

  // its settings are a file of settings
  const fs::path again = folder.path() / "again";
  r = run("compare --config " + (out / "args.json").string() + " --output-dir " + again.string());
  CHECK_MESSAGE(r.code == 0, r.out);
  CHECK(text_of(again / "compare.csv") == text_of(out / "compare.csv"));
}

TEST_CASE("compare varies any setting, and two give the grid") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "c";
  Result r = run_comparison(out, "--seeds 1 --vary optimizer=sgd,adamw --vary shortcut=A,B");
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const auto args = [&](const std::string& variant) {
    return nlohmann::json::parse(text_of(out / variant / "seed1" / "args.json"));
  };
  CHECK(args("optimizer=sgd_shortcut=A")["lr"] == 0.1);
  CHECK(args("optimizer=adamw_shortcut=B")["lr"] == 0.001);  // its own default
  CHECK(args("optimizer=adamw_shortcut=B")["shortcut"] == "B");
  const std::string runs = text_of(out / "runs.csv");
  CHECK(contains(runs, "\noptimizer=sgd_shortcut=A,1,finished,1,"));
  CHECK(contains(runs, ",269722,"));
  CHECK(contains(runs, ",272474,"));  // the projections
  CHECK(std::ranges::count(runs, '\n') == 5);
  CHECK(contains(r.out, "\noptimizer=adamw_shortcut=B          272474"));
  CHECK(contains(text_of(out / "compare.csv"),
                 "difference,optimizer=adamw_shortcut=B - optimizer=sgd_shortcut=A,train_loss,1,"));
  // the folder's record of it is the same comparison
  const fs::path again = folder.path() / "again";
  r = run("compare --config " + (out / "args.json").string() + " --output-dir " + again.string());
  CHECK_MESSAGE(r.code == 0, r.out);
  CHECK(text_of(again / "compare.csv") == text_of(out / "compare.csv"));

  const auto refused = [&](const std::string& vary, std::string_view reason) {
    CAPTURE(vary);
    const Result wrong = run_comparison(folder.path() / "none", vary);
    CHECK(wrong.code == 2);
    CHECK_MESSAGE(contains(wrong.out, reason), wrong.out);
    CHECK_FALSE(fs::exists(folder.path() / "none"));
  };
  refused("--vary lr=0.1,fast", "--vary: lr: expected");
  refused("--vary lerning-rate=1,2", "lerning-rate: expected a setting of train, got an unknown");
  refused("--vary seed=1,2", "seed: expected a setting with one value that may differ");
  refused("--vary lr-milestones=1,2", "lr-milestones: expected a setting with one value");
  refused("--vary lr=0.1,0.1", "expected each variant once, got lr=0.1 twice");
  refused("--vary lr=0.1 --vary lr=0.2", "lr: expected each setting once");
  refused("--vary 0.1", "expected SETTING=A,B,..., got 0.1");
  refused("--variants post,post", "expected each variant once, got post twice");
}

TEST_CASE("a run of a comparison that diverges is named, and the others are compared") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "c", last = out / "post" / "seed1" / "last.safetensors";
  REQUIRE(run_comparison(out, "--seeds 2 --max-steps 1").code == 0);
  Checkpoint checkpoint = read_checkpoint(last);
  const auto weight = std::ranges::find(checkpoint.model, "fc.weight", &NamedTensor::name);
  REQUIRE(weight != checkpoint.model.end());
  weight->tensor = Tensor::full(weight->tensor.shape(), std::nan(""));
  write_checkpoint(last, checkpoint);
  const Result r = run_comparison(out, "--seeds 2 --resume auto");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "resgrad: post, seed 1: train: step 2: expected finite loss"));
  CHECK(contains(r.out, "\npost, seed 1: diverged, without result in the table\n"));
  const std::string runs = text_of(out / "runs.csv");
  CHECK(contains(runs, "\npost,1,diverged,0,,,269722,"));
  CHECK(contains(runs, "\npre,2,finished,1,"));
  const std::string table = text_of(out / "compare.csv");
  CHECK(contains(table, "variant,post,train_loss,1,"));
  CHECK(contains(table, "variant,pre,train_loss,2,"));
  CHECK(contains(table, "difference,pre - post,train_loss,1,"));
}

TEST_CASE("every recipe trains") {
  int recipes = 0;
  for (const auto& entry : fs::directory_iterator(RESGRAD_SOURCE_DIR "/scripts/recipes")) {
    const std::string recipe = entry.path().string();
    CAPTURE(recipe);
    const TemporaryFolder folder;
    const Result r = run("train --config " + recipe +
                         " --dataset synthetic --max-steps 2 -b 4 --limit-eval-batches 1 --quiet "
                         "--output-dir " +
                         (folder.path() / "run").string());
    CHECK_MESSAGE(r.code == 0, r.out);
    CHECK(fs::exists(folder.path() / "run" / "last.safetensors"));
    const std::string text = text_of(entry.path());
    CHECK(contains(
        text, "build/resgrad train --config scripts/recipes/" + entry.path().filename().string()));
    ++recipes;
  }
  CHECK(recipes == 7);
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
