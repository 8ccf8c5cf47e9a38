// resgrad compare as a user runs it.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/kernels/isa.h"
#include "tests/integration/program.h"
#include "tests/support/temporary_folder.h"
#include "train/checkpoint.h"
#include "train/log/metrics.h"

using namespace resgrad;
namespace fs = std::filesystem;

// A comparison of one epoch in `folder`, and what came of it.
static Result run_comparison(const fs::path& folder, const std::string& flags) {
  return run(
      "compare --dataset synthetic -b 8 --epochs 1 --limit-train-batches 2 --limit-eval-batches 1 "
      "--quiet --threads 1 --output-dir " +
      folder.string() + ' ' + flags);
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
  // the settings of a run: its order is that of all variants, unless the variants are orders
  const std::string of_run = (folder.path() / "run.json").string();
  fs::copy_file(out / "pre" / "seed1" / "args.json", of_run);
  REQUIRE(run("compare --config " + of_run + flags + " --seeds 1 --vary lr=0.1,0.2").code == 0);
  CHECK(nlohmann::json::parse(text_of(out / "lr=0.2" / "seed1" / "args.json"))["activation"] ==
        "pre");
  CHECK(nlohmann::json::parse(text_of(out / "args.json"))["activation"] == "pre");
  REQUIRE(run("compare --config " + of_run + flags + " --seeds 1").code == 0);
  CHECK(nlohmann::json::parse(text_of(out / "post" / "seed1" / "args.json"))["activation"] ==
        "post");
  CHECK_FALSE(contains(text_of(out / "args.json"), "activation"));
  const Result both = run("compare --activation pre" + flags);
  CHECK(both.code == 2);
  CHECK_MESSAGE(contains(both.out,
                         "compare: --activation: expected the order of all variants, of "
                         "FILE and --vary without --variants, got pre with the variants "
                         "post,pre"),
                both.out);
}

TEST_CASE("weights that a comparison begins with are none that it clears away") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "c";
  const std::string flags = " --blocks 1,1 --channels 16,16 --seeds 1 ";
  REQUIRE(run_comparison(out, flags).code == 0);
  const fs::path weights = out / "post" / "seed1" / "best.safetensors";
  const std::string before = text_of(weights);
  const Result r =
      run_comparison(out, "--vary lr=0.1,0.2 --seeds 1 --overwrite --weights " + weights.string());
  CHECK(r.code == 1);
  CHECK_MESSAGE(
      contains(r.out,
               "compare: --weights: expected a file outside of the output folder " + out.string()),
      r.out);
  CHECK(text_of(weights) == before);
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
  refused("--vary seed=1,2", "seed: expected a setting that may differ between the runs");
  refused("--vary dataset=synthetic,cifar10", "dataset: expected the same data for all variants");
  refused("--vary image-size=32,64", "image-size: expected the same data for all variants");
  refused("--vary lr=0.1,0.10", "the same settings for lr=0.1 and lr=0.10");
  refused("--vary lr-milestones=1,2", "lr-milestones: expected a setting with one value");
  refused("--vary lr=0.1,0.1", "expected each variant once, got lr=0.1 twice");
  refused("--vary lr=0.1 --vary lr=0.2", "lr: expected each setting once");
  refused("--vary 0.1", "expected SETTING=A,B,..., got 0.1");
  refused("--variants post,post", "expected each variant once, got post twice");
}

TEST_CASE("compare takes files of settings as variants, by their names") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "c";
  const auto write = [&](const std::string& name, const std::string& text) {
    fs::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name) << text;
    return (folder.path() / name).string() + ' ';
  };
  const std::string small = "blocks = \"1,1\"\nstem-channels = \"8\"\n";
  const std::string base = write("base.toml", small + "channels = \"8,16\"\nlr = 0.05\n");
  const std::string wide = write(
      "wide.json", R"({"blocks": "1,1", "stem_channels": "8", "channels": "16,32", "stem": ""})");
  const std::string common =
      "--config " + write("common.toml", "lr = 0.2\nweight-decay = 0.01\nmomentum = 0.5\n");
  Result r = run_comparison(out, base + wide + common + "--momentum 0.8 --seeds 2");
  REQUIRE_MESSAGE(r.code == 0, r.out);
  const auto args = [&](const std::string& variant) {
    return nlohmann::json::parse(text_of(out / variant / "seed2" / "args.json"));
  };
  CHECK(args("base")["lr"] == 0.05);  // a file over --config
  CHECK(args("wide")["lr"] == 0.2);
  CHECK(args("base")["weight_decay"] == 0.01);
  CHECK(args("base")["momentum"] == 0.8);  // flags over both
  CHECK(args("wide")["channels"] == "16,32");
  const std::string runs = text_of(out / "runs.csv"), table = text_of(out / "compare.csv");
  CHECK(contains(runs, "\nbase,1,finished,1,"));
  CHECK(contains(runs, "\nwide,2,finished,1,"));
  CHECK(contains(table, "difference,wide - base,train_loss,2,"));
  CHECK(args("base")["activation"] == "");  // that of the model, and not varied

  // what is there is not trained anew, and a file that has changed is another comparison
  const std::string log = text_of(out / "wide" / "seed2" / "metrics.jsonl");
  r = run_comparison(out, base + wide + common + "--momentum 0.8 --seeds 2 --resume auto");
  CHECK_MESSAGE(r.code == 0, r.out);
  CHECK(text_of(out / "compare.csv") == table);
  CHECK(text_of(out / "wide" / "seed2" / "metrics.jsonl") == log);
  const fs::path again = folder.path() / "again";
  r = run("compare --config " + (out / "args.json").string() + " --output-dir " + again.string());
  CHECK_MESSAGE(r.code == 0, r.out);
  CHECK(text_of(again / "compare.csv") == table);
  write("base.toml", small + "channels = \"8,16\"\nlr = 0.06\n");
  r = run_comparison(out, base + wide + common + "--momentum 0.8 --seeds 2 --resume auto");
  CHECK(r.code == 1);
  CHECK(contains(r.out, "lr is 0.05 there and 0.06 here"));

  // in a grid, with the first file as the baseline
  r = run_comparison(folder.path() / "grid", base + wide + "--seeds 1 --vary nesterov=false,true");
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(contains(r.out, "wide_nesterov=true - base_nesterov=false"));

  const auto refused = [&](const std::string& arguments, std::string_view reason) {
    CAPTURE(arguments);
    const Result wrong = run_comparison(folder.path() / "none", arguments);
    CHECK(wrong.code == 2);
    CHECK_MESSAGE(contains(wrong.out, reason), wrong.out);
    CHECK_FALSE(fs::exists(folder.path() / "none"));
  };
  const std::string other = write("other/base.json", "{}");
  refused(base + other, "expected files of different names, which name the variants, got");
  refused(base + folder.path().string() + "/none.toml",
          "none.toml: expected a file that can be read");
  refused(base + write("seed.toml", "seed = 2"), "seed.toml: seed: expected a setting that may");
  refused(write("o.toml", "output-dir = \"x\""), "o.toml: output-dir: expected a setting that may");
  refused(write("s.toml", "seeds = 2"), "seeds: expected a setting of train, got an unknown one");
  refused(write("t.toml", "lr = \"fast\""),
          "t.toml: lr: expected a finite number above 0, got \"fast\"");
  refused(base + write("d.toml", "val_split = 10"),
          "val-split: expected the same data for all variants, got 0 for base and 10 for d");
  refused(base + "--vary lr=0.1,0.2", "--vary: lr: expected each setting once, got it twice");
  refused(base + wide + "--channels 8,8 --lr 0.1",
          "expected variants that differ, got the same settings for base and wide");
  refused(base + write("odd.toml", "block = \"bottleneck\"\ngroups = \"3\""),
          "odd: network: groups: expected a divisor");
  refused("'" + write("a b.toml", "").substr(0, (folder.path() / "a b.toml").string().size()) + "'",
          "which name folders, got a b");
  refused(write("previous-1.toml", ""), "expected names other than previous-...");
  refused("'" + (folder.path() / "x,y.toml").string() + "'", "x,y.toml: expected a file that can");
}

TEST_CASE("compare --overwrite deletes an earlier comparison, and nothing else") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "c";
  REQUIRE(run_comparison(out, "--seeds 2").code == 0);
  std::ofstream(out / "notes.txt") << "mine";
  std::ofstream(out / "pre" / "seed2" / "notes.txt") << "mine";
  fs::create_directories(out / "post" / "seeds");
  std::ofstream(out / "compare.png") << "a plot";
  REQUIRE(run_comparison(out, "--seeds 2 --overwrite --resume auto").code == 0);  // goes on
  CHECK(fs::exists(out / "pre" / "seed2" / "last.safetensors"));
  const Result r = run_comparison(out, "--seeds 1 --variants post --overwrite");
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK_FALSE(fs::exists(out / "previous-1"));
  CHECK_FALSE(fs::exists(out / "compare.png"));
  CHECK_FALSE(fs::exists(out / "pre" / "seed1"));
  CHECK_FALSE(fs::exists(out / "post" / "seed2"));
  CHECK(fs::exists(out / "post" / "seeds"));
  CHECK(text_of(out / "notes.txt") == "mine");
  CHECK(text_of(out / "pre" / "seed2" / "notes.txt") == "mine");
  CHECK_FALSE(fs::exists(out / "pre" / "seed2" / "last.safetensors"));
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

TEST_CASE("each seed of a comparison holds out its own images, which eval finds again") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "c";
  REQUIRE(run("compare --dataset synthetic --val-split 300 --blocks 1,1,1 -b 50 --epochs 1 "
              "--limit-train-batches 2 --quiet --threads 2 --variants pre --seeds 2 --output-dir " +
              out.string())
              .code == 0);
  for (const char* seed : {"seed1", "seed2"}) {
    CAPTURE(seed);
    const fs::path in = out / "pre" / seed;
    const Result r = run("eval --json --split val -b 50 --threads 2 --checkpoint " +
                         (in / "last.safetensors").string());
    REQUIRE_MESSAGE(r.code == 0, r.out);
    CHECK(nlohmann::json::parse(r.out)["loss"] ==
          read_metrics_csv(in / "metrics.csv").back().test_loss);
  }
}

TEST_CASE("what one variant sets of the machine does not stay for the next") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "c";
  for (const char* vary : {"isa=baseline,auto", "threads=1,0"}) {
    REQUIRE(
        run("compare --dataset synthetic --blocks 1,1,1 -b 8 --epochs 1 --limit-train-batches 1 "
            "--limit-eval-batches 1 --quiet --seeds 1 --overwrite --vary " +
                std::string(vary) + " --output-dir " + out.string(),
            "OMP_NUM_THREADS=2")
            .code == 0);
    const auto log_of = [&](const char* variant) {
      const std::string log = text_of(out / variant / "seed1" / "train.log");
      const std::size_t at = log.find(" threads, kernels ");
      REQUIRE(at != std::string::npos);
      return log.substr(at - 1, log.find(", convolution") - at + 1);
    };
    const std::string best(kernels::name(kernels::best_isa()));
    if (*vary == 'i') {
      CHECK(log_of("isa=baseline") == "2 threads, kernels baseline");
      CHECK(log_of("isa=auto") == "2 threads, kernels " + best);
    } else {
      CHECK(log_of("threads=1") == "1 threads, kernels " + best);
      CHECK(log_of("threads=0") == "2 threads, kernels " + best);
    }
  }
}

TEST_CASE("a comparison that holds out images finds its data for every seed") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "cifar";
  fs::create_directory(data);
  for (const char* name : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                           "data_batch_5", "test_batch"}) {
    const fs::path file = data / (std::string(name) + ".bin");
    std::ofstream(file).put('\0');
    fs::resize_file(file, 10'000 * 3073);  // black images of the first class
  }
  const Result r =
      run("compare --dataset cifar10 --val-split 100 --blocks 1,1,1 -b 8 --epochs 1 "
          "--limit-train-batches 1 --quiet --threads 2 --variants pre --seeds 2 --output-dir " +
              (folder.path() / "c").string(),
          "RESGRAD_DATA=" + data.string());
  CHECK_MESSAGE(r.code == 0, r.out);
}
