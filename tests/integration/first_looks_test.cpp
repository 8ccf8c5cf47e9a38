// What a user may find out before a training, without one.
#include <set>

#include "core/check.h"
#include "tests/integration/program.h"
#include "tests/support/temporary_folder.h"
#include "train/run_options.h"

using namespace resgrad;
namespace fs = std::filesystem;

TEST_CASE("a dry run prints all settings, the network and the time of a step, and writes nothing") {
  const TemporaryFolder folder;
  const Result r =
      run("train --dry-run --dataset synthetic --model resnet20 -b 4 --limit-eval-batches 1 "
          "--epochs 3 --limit-train-batches 5 --freeze stem --lr-milestones 5",
          "cd '" + folder.path().string() + "' &&");
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(fs::is_empty(folder.path()));
  RunOptions options;
  for (const Setting& row : without(settings(options), {"dry-run"})) {
    CAPTURE(row.name);
    CHECK(contains(r.out, fmt::format("\n  {:<24}", row.name)));
  }
  for (const char* text :
       {"\n  batch-size              4\n", "\n  blocks                  3,3,3\n",
        "\n  lr-rise-share           0.3\n", "\n  output-dir              runs/resnet20\n",
        "\n  freeze                  stem\n",
        // 3 * 16 * 9 + 2 * 16 of the stem rest
        "\nnetwork     269722 parameters, 269258 of them trained; 40.",
        "\ndata        10000 images",
        "\nrun         3 epochs of 5 updates of 4 images; 15 updates in all\n",
        " ms (median of 10, ", "resgrad: lr-milestones has no effect"}) {
    CHECK_MESSAGE(contains(r.out, text), text, r.out);
  }
  CHECK(run("compare --dry-run").code == 2);
}

TEST_CASE("find-lr suggests a rate where the loss fell, and writes its table alone") {
  const TemporaryFolder folder;
  const std::string common =
      "find-lr --dataset synthetic --blocks 1,1,1 -b 16 --threads 2 --steps 40 --start-lr 1e-5 ";
  const std::string in_folder = "cd '" + folder.path().string() + "' &&";
  Result r = run(common + "--end-lr 1000 --output t.csv", in_folder);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(folder.names() == std::vector<std::string>{"t.csv"});
  CHECK(contains(r.out, " updates at learning rates from 1e-05 to "));
  CHECK(contains(r.out, ", where the loss diverged\n"));
  CHECK(contains(r.out,
                 ", a tenth of the rate with the lowest smoothed loss\nthe smoothed loss fell "));
  const std::string csv = text_of(folder.path() / "t.csv");
  CHECK(csv.starts_with("lr,loss,smoothed_loss,mark\n1e-05,2."));
  CHECK(contains(csv, ",steepest\n"));
  CHECK(contains(csv, ",lowest\n"));
  // the same run once more, by the settings of a file
  std::ofstream(folder.path() / "c.toml")
      << "dataset = \"synthetic\"\nblocks = \"1,1,1\"\nbatch-size = 16\nepochs = 7\n"
         "lr-scheduler = \"onecycle\"\nlr = 5\n[train]\nseed = 9\n";
  r =
      run("find-lr --config c.toml --threads 2 --steps 40 --start-lr 1e-5 --end-lr 1000 "
          "--momentum-cycle 0 --output u.csv",
          in_folder);
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(text_of(folder.path() / "u.csv") == csv);
  r = run(common + "--end-lr 1e-6");
  CHECK(r.code == 2);
  CHECK(contains(r.out, "find_lr: end: expected a finite number above the start 1e-05, got 1e-06"));
  CHECK(run(common + "--steps 19").code == 2);
  const std::string settings = text_of(folder.path() / "c.toml");
  r = run("find-lr --config c.toml --steps 20 --output c.toml", in_folder);
  CHECK(r.code == 1);
  CHECK(contains(r.out, "--output: expected another file than c.toml, which is read"));
  CHECK(text_of(folder.path() / "c.toml") == settings);
}

TEST_CASE("a dry run of one batch to learn by heart is about its images alone") {
  const Result r =
      run("train --dry-run --overfit-batch --dataset synthetic --blocks 1,1,1 -b 16 --epochs 2 "
          "--threads 2");
  REQUIRE_MESSAGE(r.code == 0, r.out);
  CHECK(contains(r.out, "16 images to train on, 16 for the evaluation (training batch)"));
}
