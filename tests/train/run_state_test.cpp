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
  return std::make_unique<RunState>(net, o, CheckpointInfo{.model = "tiny"}, length, 80, "data A",
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

TEST_CASE("with averaged weights the best is theirs, whatever the others reach") {
  RunOptions o = tiny_options("run");
  o.ema_decay = 0.9;
  const auto net = tiny_net(), other = tiny_net(2);
  const auto run = make(*net, o), resumed = make(*other, o);
  const auto advance_both = [&](double top1, double ema_top1, double ema_loss = 1) {
    run->update.set_steps(run->step() + 5);
    run->now.epoch_step += 5;
    EpochMetrics both = row(run->epoch + 1, run->step(), top1);
    both.ema_test_loss = ema_loss;
    both.ema_test_top1 = ema_top1;
    return run->add(both);
  };
  CHECK(advance_both(30, 20));
  CHECK_FALSE(advance_both(90, 20));
  CHECK(advance_both(10, 21));
  CHECK_FALSE(advance_both(10, 99, std::nan("")));
  CHECK(run->best()->epoch == 3);
  CHECK(run->now.best_top1 == 21);
  const Checkpoint averaged = run->averaged();
  CHECK(averaged.info.step == 20);
  CHECK(averaged.model.size() == run->ema->state().size());
  CHECK_FALSE(averaged.state);

  // a checkpoint whose best was chosen by the other weights
  Checkpoint checkpoint = run->capture();
  checkpoint.state->best_top1 = 90;
  resumed->restore({"file", checkpoint});
  CHECK(resumed->best()->epoch == 3);
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

TEST_CASE("every n-th epoch is evaluated, and the last") {
  RunLength length = kLength;
  length.eval_every = 3;
  const auto net = tiny_net();
  const auto run = make(*net, tiny_options("run"), length);
  std::vector<bool> due;
  for (int epoch = 1; epoch <= 4; ++epoch) {
    run->update.set_steps(run->step() + 5);
    run->now.epoch_step = 5;
    due.push_back(run->evaluation_due());
    run->add(row(epoch, run->step(), due.back() ? 10.0 * epoch : std::nan("")));
  }
  CHECK(due == std::vector<bool>{false, false, true, true});
  CHECK(run->finished());
  CHECK(run->best()->epoch == 4);
}

TEST_CASE("a longer run forgets the evaluation at the end of the shorter one") {
  RunLength length = kLength, longer = kLength;
  length.total_steps = 15;
  length.eval_every = longer.eval_every = 2;
  const auto net = tiny_net();
  const auto run = make(*net, tiny_options("run"), length);
  for (const double top1 : {std::nan(""), 30.0, 40.0}) advance(*run, 5, top1);
  CHECK(run->finished());
  const Checkpoint checkpoint = run->capture();
  const auto same = make(*net, tiny_options("run"), length);
  same->restore({"file", checkpoint});
  CHECK(same->finished());
  CHECK(same->now.epochs[2].test_top1 == 40);
  const auto on = make(*net, tiny_options("run"), longer);
  on->restore({"file", checkpoint});
  CHECK_FALSE(on->finished());
  CHECK(on->dropped_evaluation());
  REQUIRE(on->now.epochs.size() == 3);
  CHECK(std::isnan(on->now.epochs[2].test_top1));
  CHECK(std::isnan(on->now.epochs[2].test_loss));
  CHECK(on->best()->epoch == 2);
}

TEST_CASE("a run stops early when it has been without a gain for long enough") {
  RunOptions o = tiny_options("run");
  o.patience = 2;
  o.min_delta = 1;
  RunLength length = kLength;
  length.total_steps = 50;
  const auto net = tiny_net();
  const auto run = make(*net, o, length);
  std::vector<bool> finished;
  for (const double top1 : {30.0, 31.0, 32.0, 32.5, 33.0}) {
    advance(*run, 5, top1);
    finished.push_back(run->finished());
  }
  // 31 is no gain over 30 by more than 1, 32 is; 32.5 and 33 are none over 32
  CHECK(finished == std::vector<bool>{false, false, false, false, true});
  CHECK(run->stopped_early());
  CHECK(run->best()->epoch == 5);  // of the best weights any gain decides
  const Checkpoint checkpoint = run->capture();
  const auto same = make(*net, o, length);
  same->restore({"file", checkpoint});
  CHECK(same->finished());
  CHECK_FALSE(same->dropped_evaluation());
  o.patience = 3;  // only says where to stop
  const auto patient = make(*net, o, length);
  patient->restore({"file", checkpoint});
  CHECK_FALSE(patient->finished());
  length.total_steps = 25;  // the end of the run anyway
  const auto ended = make(*net, tiny_options("run"), length);
  ended->restore({"file", checkpoint});
  CHECK(ended->finished());
  CHECK_FALSE(ended->stopped_early());
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

TEST_CASE("of rows with one accuracy the best is the one whose weights were saved") {
  const RunOptions o = tiny_options("run");
  const auto net = tiny_net(), other = tiny_net();
  const auto run = make(*net, o), resumed = make(*other, o);
  advance(*run, 5, 30);
  run->now.best_top1 = -1;  // its weights could not be written
  CHECK(advance(*run, 5, 30));
  CHECK(run->best()->epoch == 2);
  Checkpoint checkpoint = run->capture();
  resumed->restore({"file", checkpoint});
  CHECK(resumed->best()->epoch == 2);
}

TEST_CASE("a run goes on with its own data and classes alone") {
  const RunOptions o = tiny_options("run");
  const auto net = tiny_net();
  const auto run = make(*net, o);
  advance(*run, 5, 30);
  Checkpoint checkpoint = run->capture();
  CHECK(checkpoint.state->data == "data A");
  const auto refusal = [&] {
    const auto resumed = make(*net, o);
    try {
      resumed->restore({"file", checkpoint});
    } catch (const ValueError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refusal() == "");
  checkpoint.state->data = "data B";
  CHECK(refusal() == "resume: file: expected the data that it was made with, data B, got data A");
  checkpoint.state->data = "";  // of an earlier version
  CHECK(refusal() == "");
  checkpoint.state->data = "data A";
  checkpoint.info.class_names = {"cat", "dog"};
  CHECK(refusal() ==
        "resume: file: expected the data that it was made with, data A (cat, dog), got "
        "data A");
}

TEST_CASE("a run that ends where it stands lacks an evaluation there") {
  RunLength length = kLength, shorter = kLength;
  length.eval_every = shorter.eval_every = 2;
  shorter.total_steps = 5;
  const auto net = tiny_net();
  const auto run = make(*net, tiny_options("run"), length);
  advance(*run, 5, std::nan(""));
  const Checkpoint checkpoint = run->capture();
  const auto resumed = make(*net, tiny_options("run"), shorter);
  resumed->restore({"file", checkpoint});
  CHECK(resumed->lacks_last_evaluation());
  CHECK_FALSE(resumed->finished());
  CHECK_FALSE(run->lacks_last_evaluation());
}
