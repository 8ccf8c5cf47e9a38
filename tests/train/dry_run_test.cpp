#include "train/dry_run.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/temporary_folder.h"
#include "tests/train/run_results.h"
#include "tests/train/tiny_run.h"

using namespace resgrad;

TEST_CASE("a dry run measures updates and an evaluation, and writes nothing") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.epochs = 7;
  o.eval_every = 3;
  const DryRun measured = dry_run(*tiny_net(), tiny_splits(), o);
  CHECK_FALSE(measured.interrupted);
  CHECK(measured.length.total_steps == 35);
  CHECK(measured.images_per_step == 16);
  REQUIRE(measured.step_seconds.size() == 10);
  CHECK(std::ranges::is_sorted(measured.step_seconds));
  CHECK(measured.step_seconds.front() > 0);
  CHECK(measured.median_step_seconds() ==
        (measured.step_seconds[4] + measured.step_seconds[5]) / 2);
  CHECK(measured.wait_share >= 0);
  CHECK(measured.wait_share <= 1);
  CHECK(measured.evaluation_seconds > 0);
  // evaluations after epochs 3, 6 and 7
  CHECK(measured.run_seconds() ==
        doctest::Approx(35 * measured.median_step_seconds() + 3 * measured.evaluation_seconds));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("an odd number of steps has one in the middle") {
  DryRun measured;
  measured.step_seconds = {1, 2, 10};
  CHECK(measured.median_step_seconds() == 2);
}

TEST_CASE("a dry run ends when a stop is requested") {
  const StopAfter stop(3);
  const DryRun measured = dry_run(*tiny_net(), tiny_splits(), tiny_options("run"), stop.token());
  CHECK(measured.interrupted);
  CHECK(measured.step_seconds.size() == 1);
}
