// Runs on any number of threads, as a user starts them.
#include <vector>

#include "tests/integration/program.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;

namespace {

// The weights that a run left, one after the other.
std::string weights_in(const std::string& folder) {
  std::string all;
  for (const char* file : {"/last.safetensors", "/best.safetensors", "/ema.safetensors"}) {
    all += text_of(folder + file);
  }
  return all;
}

// Trains on 1, 2 and 3 threads and compares the checkpoints byte by byte.
void check_same_bytes(const std::string& settings) {
  const TemporaryFolder folder;
  std::vector<std::string> checkpoints;
  for (const char* threads : {"1", "2", "3"}) {
    const std::string out = (folder.path() / threads).string();
    const Result r = run("train --dataset synthetic --seed 3 --limit-eval-batches 1 --quiet " +
                         settings + " --threads " + threads + " --output-dir " + out);
    REQUIRE_MESSAGE(r.code == 0, r.out);
    checkpoints.push_back(weights_in(out));
    CHECK_MESSAGE(checkpoints.back() == checkpoints.front(), settings, ", ", threads, " threads");
  }
}

}  // namespace

TEST_CASE("any number of threads gives the same bytes: networks and everything a step can do") {
  check_same_bytes(
      "--model resnet20 --max-steps 6 -b 24 --mixup 0.5 --clip-grad-norm 0.5 --ema-decay 0.9");
  check_same_bytes("--model resnext29_32x4d --max-steps 2 -b 2 --optimizer adamw --lr 0.001");
  check_same_bytes("--model fastresnet8 --max-steps 2 -b 8 --label-smoothing 0.1 --accumulate 2");
}

TEST_CASE("any number of threads gives the same bytes: wide channels, wide groups") {
  check_same_bytes(
      "--model resnet18 --channels 64,128,256,512 --blocks 1,1,1,1 --max-steps 2 -b 6");
  check_same_bytes(
      "--model resnet20 --block bottleneck --channels 64,128,256 --blocks 1,1,1 --mid-channels "
      "64,128,256 --groups 2 --max-steps 2 -b 4");
}

TEST_CASE("the same bytes, whatever the environment says of threads") {
  const TemporaryFolder folder;
  std::string expected;
  const std::string one_core =
      "taskset -c $(grep Cpus_allowed_list /proc/self/status | grep -o '[0-9]*$')";
  const std::vector<std::string> environments = {"OMP_NUM_THREADS=1",
                                                 "OMP_NUM_THREADS=5",
                                                 "OMP_NUM_THREADS=2,3 OMP_MAX_ACTIVE_LEVELS=2",
                                                 "OMP_NUM_THREADS=4 OMP_THREAD_LIMIT=2",
                                                 "OMP_NUM_THREADS=4 OMP_THREAD_LIMIT=1",
                                                 "OMP_NUM_THREADS=4 OMP_DYNAMIC=true",
                                                 "OMP_NUM_THREADS=2 " + one_core};
  for (const std::string& environment : environments) {
    const std::string out = (folder.path() / "run").string();
    const Result r =
        run("train --dataset synthetic --model resnet20 --seed 3 --max-steps 2 -b 16 --workers 2 "
            "--limit-eval-batches 1 --quiet --overwrite --output-dir " +
                out,
            environment);
    REQUIRE_MESSAGE(r.code == 0, environment, ": ", r.out);
    const std::string checkpoint = text_of(out + "/last.safetensors");
    if (expected.empty()) expected = checkpoint;
    CHECK_MESSAGE(checkpoint == expected, environment);
  }
}

TEST_CASE("a run may go on with other threads, without a warning") {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "run").string();
  const std::string settings =
      "train --dataset synthetic --model resnet20 -b 8 --lr-scheduler "
      "constant --limit-eval-batches 1 --quiet --output-dir " +
      out;
  REQUIRE(run(settings + " --max-steps 3 --threads 3").code == 0);
  const std::string whole = weights_in(out);
  REQUIRE(run(settings + " --max-steps 1 --threads 1 --overwrite").code == 0);
  const Result other = run(settings + " --max-steps 3 --threads 2 --resume auto");
  CHECK_MESSAGE(other.code == 0, other.out);
  CHECK(weights_in(out) == whole);
  CHECK_FALSE(contains(text_of(out + "/train.log"), "last digits may differ"));
  CHECK(run(settings + " --max-steps 4 --isa baseline --resume auto").code == 0);
  CHECK(contains(text_of(out + "/train.log"), "last digits may differ"));
}
