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
