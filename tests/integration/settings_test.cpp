// Settings of the program: flags, files, help, and what is refused.
#include <nlohmann/json.hpp>

#include "tests/integration/program.h"
#include "tests/support/temporary_folder.h"
#include "train/run_options.h"

using namespace resgrad;
namespace fs = std::filesystem;

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
  for (const char* command : {"", "train ", "eval ", "predict ", "compare ", "find-lr ", "export ",
                              "import ", "bench ", "summary ", "gradcheck ", "models ", "info "}) {
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
  refused(train + "--lr 0.1 --lr 0.2", "--lr: expected one value, got 2: 0.1, 0.2");
  refused(train + "-b 8 --batch-size 8", "--batch-size: expected one value, got 2: 8, 8");
  refused(train + "--config a --config b", "--config: expected one file, got 2: a, b");
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
  refused("--lr 0.1 --min-lr 0.2", "min_lr: expected a number in [0, base_lr = 0.1], got 0.2");
  refused("--blocks 3,x,3", "blocks: expected whole numbers with commas");
  refused("--stem imagenet --whiten-stem on", "whiten_stem");
  refused("--shortcut C", "shortcut: expected one of A, B, got C");
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
  refused("summary --in-channels 3", "--in-channels: expected only with --block resnet");
  refused("summary --block resnet --in-channels 3 --out-channels 3 --model resnet20",
          "--model: expected only without --block resnet and resnext");
  refused("models --groups 2", "--groups: expected only with --describe");
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
  std::string parts = "a";
  for (int i = 0; i < 100'000; ++i) parts += ".a";
  for (const std::string& deep : {"lr = " + std::string(200'000, '['),
                                  "{\"lr\": " + std::string(200'000, '['), parts + " = 1"}) {
    fails(deep, "expected values nested at most 100 deep, got more");
  }
  fails("lr = 0.1\n'\xd2'", "line 2: expected TOML");
  fails("help = true", "help: expected a setting of train");
  fails("epochs = ten",
        "line 1: expected TOML, such as lr = 0.1 or model = \"resnet20\", got: "
        "epochs = ten: ");
  fails("epochs = 1.5", "epochs: expected an integer of 1 to 1000000000, got 1.5");
  fails("epochs = 0", "epochs: expected an integer of 1 to 1000000000, got 0");
  fails("epochs = true", "epochs: expected an integer of 1 to 1000000000, got true");
  fails("epochs = \"3\"", "epochs: expected an integer of 1 to 1000000000, got \"3\"");
  fails("epochs =", "line 1: expected TOML");
  fails("lr = 1\nepochs = 016", "line 2: expected TOML");
  fails(
      "epochs = 0x10",
      "line 1: expected text, a finite decimal number, true, false or a list, got: epochs = 0x10");
  fails("lr = nan",
        "line 1: expected text, a finite decimal number, true, false or a list, got: lr = nan");
  fails("epochs = 99999999999999999999", "line 1: expected TOML");
  fails("lr-milestones = [1,\n 9223372036854775808]", "line 2: expected TOML");
  fails("epochs = 3\nepochs = 4", "line 2: expected TOML");
  fails("lr-gamma = 0.1\nlr_gamma = 0.1", "expected each setting once");
  fails("nesterov = 1", "nesterov: expected true or false, got 1");
  fails("lr-milestones = [1, \"two\"]", "lr-milestones: expected a list, each to be an integer");
  fails("lr-milestones = [1, 2", "line 1: expected TOML");
  fails("lr-milestones = [1,\n}", "line 2: expected TOML");
  fails("lr = 1979-05-27", "line 1: expected text, a finite decimal number, true, false or a list");
  fails("model = \"resnet21\"", "model: expected one of resnet20, ");
  fails("[tain]\nlr = 0.1", "tain: expected a setting of train, got an unknown one");
  fails("lr = 0.2\n[train]\nlr = 0.1", "lr: expected each setting once");
  fails("[train]\nlerning-rate = 0.1", "lerning-rate: expected a setting of train");
  fails("[train.lr]\nx = 0.1", "lr: expected a finite number above 0, got {\"x\":0.1}");
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
  fails(R"({"lr": 1e999})", "expected a JSON object, got: number overflow", "args.json");
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
  CHECK(recipes == 12);
}
