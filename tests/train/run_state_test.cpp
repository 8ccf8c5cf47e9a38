#include "train/run_state.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "tests/train/tiny_run.h"

using namespace resgrad;

namespace {

constexpr RunLength kLength{.epochs = 4, .steps_per_epoch = 5, .total_steps = 20};

std::unique_ptr<RunState> make(Module& net, const RunOptions& o, RunLength length = kLength) {
  return std::make_unique<RunState>(net, o, CheckpointInfo{.model = "tiny"}, length, 80,
                                    [](std::string_view) {});
}

EpochMetrics row(std::int64_t epoch, std::int64_t step, double top1, double loss = 1) {
  EpochMetrics metrics{.epoch = epoch, .step = step};
  metrics.test_loss = loss;
  metrics.test_top1 = top1;
  return metrics;
}

// Goes so many steps further and adds the row of an evaluation.
bool advance(RunState& run, std::int64_t steps, double top1, double loss = 1) {
  run.update.set_steps(run.step() + steps);
  run.now.epoch_step += steps;
  return run.add(row(run.epoch + 1, run.step(), top1, loss));
}

}  // namespace

TEST_CASE("rows are counted in, and the first with the highest accuracy is the best") {
  const auto net = tiny_net();
  const auto run = make(*net, tiny_options("run"));
  CHECK(run->best() == nullptr);
  CHECK(advance(*run, 5, 30));
  CHECK(run->epoch == 1);
  CHECK(run->now.epoch_step == 0);
  CHECK_FALSE(advance(*run, 5, 20));
  CHECK_FALSE(advance(*run, 5, 30));
  CHECK(run->best()->epoch == 1);
  CHECK_FALSE(run->finished());
  CHECK(advance(*run, 5, 31));
  CHECK(run->best()->epoch == 4);
  CHECK(run->finished());
}

TEST_CASE("an evaluation that is not finite is never the best") {
  const auto net = tiny_net();
  const auto run = make(*net, tiny_options("run"));
  for (const double loss : {std::nan(""), double{INFINITY}}) {
    CHECK_FALSE(advance(*run, 5, 99, loss));
    CHECK(run->best() == nullptr);
  }
  CHECK(advance(*run, 5, 1));
  CHECK(run->best()->epoch == 3);
}

TEST_CASE("a run goes on from what it captured") {
  RunOptions o = tiny_options("run");
  o.ema_decay = 0.9;
  const auto net = tiny_net(1), other = tiny_net(2);
  const auto run = make(*net, o), resumed = make(*other, o);
  advance(*run, 5, 30);
  run->update.set_steps(7);
  run->now.epoch_step = 2;
  const Checkpoint checkpoint = run->capture();
  CHECK(checkpoint.info.model == "tiny");
  CHECK(checkpoint.info.epoch == 1);
  CHECK(checkpoint.info.step == 7);
  CHECK(checkpoint.state->machine == machine_description());
  resumed->restore({"file", checkpoint});
  CHECK(resumed->step() == 7);
  CHECK(resumed->epoch == 1);
  CHECK(resumed->now.epoch_step == 2);
  CHECK(resumed->best()->step == 5);
  CHECK_FALSE(resumed->dropped_evaluation());
  const auto want = net->state_dict(), got = other->state_dict();
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(got[i].tensor.to_vector<double>() == want[i].tensor.to_vector<double>());
    CHECK(resumed->ema->state()[i].tensor.to_vector<double>() ==
          run->ema->state()[i].tensor.to_vector<double>());
  }
}

TEST_CASE("a run that goes further than before drops an evaluation within an epoch") {
  const RunOptions o = tiny_options("run");
  RunLength cut = kLength;
  cut.total_steps = 7;
  const auto net = tiny_net();
  for (const double top1 : {20.0, 40.0}) {  // the best or not
    CAPTURE(top1);
    const auto run = make(*net, o, cut);
    advance(*run, 5, 30);
    CHECK(advance(*run, 2, top1) == (top1 > 30));
    CHECK(run->finished());
    const Checkpoint checkpoint = run->capture();

    const auto same = make(*net, o, cut);
    same->restore({"file", checkpoint});
    CHECK(same->finished());
    CHECK(same->now.epochs.size() == 2);
    CHECK_FALSE(same->dropped_evaluation());
    CHECK(same->now.best_top1 == std::max(30.0, top1));

    const auto longer = make(*net, o);
    longer->restore({"file", checkpoint});
    CHECK_FALSE(longer->finished());
    CHECK(longer->now.epochs.size() == 1);
    CHECK(longer->dropped_evaluation());
    CHECK(longer->now.best_top1 == 30);
    CHECK(longer->best()->step == 5);
    CHECK(longer->now.epoch_step == 2);
  }
}

TEST_CASE("a finished run keeps no time, and one that goes on takes it from the metrics") {
  const TemporaryFolder folder;
  RunLength cut = kLength;
  cut.total_steps = 7;
  const auto net = tiny_net();
  const auto run = make(*net, tiny_options("run"), cut);
  advance(*run, 5, 30);
  run->now.seconds = 0.5;
  run->now.loss.add(2.5, 8);
  advance(*run, 2, 40);
  const Checkpoint checkpoint = run->capture();
  CHECK(std::isnan(checkpoint.state->seconds));
  for (const bool known : {false, true}) {
    if (known) {
      run->now.epochs.back().images_per_s = 4;
      std::ofstream(folder.path() / "metrics.csv") << metrics_csv(run->now.epochs);
    }
    const auto longer = make(*net, tiny_options("run"));
    longer->restore({folder.path() / "last.safetensors", checkpoint});
    CHECK(longer->dropped_evaluation());
    if (known) CHECK(longer->now.seconds == 2);  // for 8 images
    if (!known) CHECK(std::isnan(longer->now.seconds));
  }
}

TEST_CASE("a setting out of range is an error") {
  const auto net = tiny_net();
  RunOptions o = tiny_options("run");
  o.on_nonfinite = "ignore";
  CHECK_THROWS_WITH_AS(make(*net, o), "train: on_nonfinite: expected stop or skip, got ignore",
                       ValueError);
}
