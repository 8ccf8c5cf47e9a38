// Runs on several ranks, which are threads here.
#include <doctest/doctest.h>

#include "core/check.h"
#include "nn/nn.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/dist/thread_ranks.h"
#include "tests/train/run_results.h"
#include "tests/train/tiny_run.h"
#include "train/trainer.h"

using namespace resgrad;

namespace {

RunOptions all_on(const std::filesystem::path& folder) {
  RunOptions o = tiny_options(folder);
  o.shards = 4;
  o.accumulate = 2;
  o.mixup = 0.5;
  o.cutmix = 0.5;
  o.random_erasing = 0.5;
  o.ema_decay = 0.9;
  o.clip_grad_norm = 1;
  return o;
}

TrainResult run(
    Communicator& ranks, const RunOptions& o, std::stop_token stop = {},
    const std::function<bool()>& save_wanted = [] { return false; }) {
  return run_training(*tiny_net(), tiny_splits(), o, {.model = "tiny"}, std::move(stop), {}, ranks,
                      save_wanted);
}

}  // namespace

TEST_CASE("a run is the same bytes on any number of ranks, in its evaluations, too") {
  const TemporaryFolder folder;
  const auto want = folder.path() / "alone";
  run(Communicator::alone(), all_on(want));
  const std::string rows = text_of(want / "last.safetensors");
  for (const int n : {2, 3, 4}) {
    CAPTURE(n);
    const auto got = folder.path() / std::to_string(n);
    ThreadRanks::run(n, [&](Communicator& ranks) {
      RunOptions o = all_on(got);
      o.workers = ranks.rank() % 2;
      const TrainResult result = run(ranks, o);
      CHECK(result.epochs.size() == 2);  // at every rank
    });
    for (const char* file : {"last.safetensors", "best.safetensors", "ema.safetensors"}) {
      CHECK_MESSAGE(text_of(got / file) == text_of(want / file), file);
    }
  }
}

TEST_CASE("a run that was stopped goes on with other ranks and ends with the same bytes") {
  const TemporaryFolder folder;
  RunOptions o = all_on(folder.path() / "alone");
  run(Communicator::alone(), o);
  const std::string want = text_of(folder.path() / "alone" / "last.safetensors");
  o.output_dir = (folder.path() / "run").string();
  o.resume = "auto";
  o.shards = 4;
  int steps = 0;
  ThreadRanks::run(3, [&](Communicator& ranks) {
    std::stop_source stop;  // at one rank alone
    const auto after_a_step = [&] {
      if (ranks.rank() == 2 && ++steps == 1) stop.request_stop();
      return false;
    };
    CHECK(run(ranks, o, stop.get_token(), after_a_step).stopped);
  });
  CHECK(read_checkpoint(folder.path() / "run" / "last.safetensors").info.step == 1);
  o.shards = 0;  // those of the checkpoint, not the number of ranks
  ThreadRanks::run(2, [&](Communicator& ranks) { CHECK_FALSE(run(ranks, o).stopped); });
  CHECK(text_of(folder.path() / "run" / "last.safetensors") == want);
  run(Communicator::alone(), o);
  CHECK(text_of(folder.path() / "run" / "last.safetensors") == want);
}

TEST_CASE("the number of shards is that of the ranks, unless it is given") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "ranks");
  ThreadRanks::run(2, [&](Communicator& ranks) { run(ranks, o); });
  o.output_dir = (folder.path() / "alone").string();
  o.shards = 2;
  run(Communicator::alone(), o);
  CHECK(text_of(folder.path() / "ranks" / "last.safetensors") ==
        text_of(folder.path() / "alone" / "last.safetensors"));
  o.resume = "auto";
  o.shards = 1;
  try {
    run(Communicator::alone(), o);
    FAIL("expected an error");
  } catch (const ValueError& error) {
    CHECK(std::string(error.what()).ends_with("shards is 2 there and 1 here"));
  }
}

TEST_CASE("a checkpoint is written when one rank wants one") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path());
  o.checkpoint_minutes = 0;
  std::vector<std::int64_t> steps;
  ThreadRanks::run(2, [&](Communicator& ranks) {
    int asked = 0;
    run(ranks, o, {}, [&] {
      ++asked;
      std::error_code missing;
      const auto file = folder.path() / "last.safetensors";
      if (ranks.rank() == 0 && asked == 3) {  // after the checkpoint of the second step
        steps.push_back(read_checkpoint_info(file).step);
      }
      return ranks.rank() == 1 && asked == 2;
    });
  });
  CHECK(steps == std::vector<std::int64_t>{2});
}

TEST_CASE("with common batch statistics a run is that of large batches, up to rounding") {
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "large");
  o.max_steps = 3;
  const TrainResult want = run(Communicator::alone(), o);
  double local = 0;
  for (const char* bn : {"sync", "local"}) {
    o.bn = bn;
    o.output_dir = (folder.path() / bn).string();
    ThreadRanks::run(2, [&](Communicator& ranks) {
      const TrainResult got = run(ranks, o);
      const double off = std::abs(got.epochs[0].train_loss - want.epochs[0].train_loss);
      if (o.bn == "sync") {
        CHECK(off < 1e-4);
      } else if (ranks.leads()) {
        local = off;
      }
    });
  }
  CHECK(local > 1e-3);  // what the statistics of the shards alone make of it
  o.bn = "sync";
  o.shards = 2;
  CHECK_THROWS_WITH_AS(run(Communicator::alone(), o),
                       "train: bn: expected local, or sync with a rank for each of the 2 shards of "
                       "an update, whose batch norms wait for each other, got sync with 1",
                       ValueError);
}

TEST_CASE("ranks with other data or weights are an error of all") {
  const TemporaryFolder folder;
  ThreadRanks::run(2, [&](Communicator& ranks) {
    const RunOptions o = tiny_options(folder.path() / "data");
    auto data = tiny_splits();
    if (ranks.rank() == 1) data.train = tiny_data(81);
    CHECK_THROWS_WITH_AS(run_training(*tiny_net(), data, o, {}, {}, {}, ranks),
                         doctest::Contains("train: data: expected the same at all 2 ranks, got 80"),
                         StateError);
    const auto net = tiny_net(ranks.rank() == 1 ? 2 : 1);
    CHECK_THROWS_WITH_AS(
        run_training(*net, tiny_splits(), o, {}, {}, {}, ranks),
        doctest::Contains("train: weights after step 0: expected the same at all 2 ranks"),
        StateError);
  });
  CHECK_FALSE(std::filesystem::exists(folder.path() / "data"));
}

TEST_CASE("a NaN in the shard of one rank ends all with the same message and leaves its batch") {
  const TemporaryFolder folder;
  for (const char* reaction : {"stop", "skip"}) {
    std::vector<std::string> messages(3);
    const auto out = folder.path() / reaction;
    ThreadRanks::run(3, [&](Communicator& ranks) {
      RunOptions o = tiny_options(out);
      o.on_nonfinite = reaction;
      o.max_steps = 3;
      const auto net = tiny_net();
      int calls = 0;
      const Tensor weight = net->named_parameters().back().tensor;
      weight.register_hook([&](const Tensor& gradient) {
        const bool bad = ranks.rank() == 1 && ++calls == 2;
        return bad ? Tensor::full(gradient.shape(), std::nan("")) : Tensor();
      });
      try {
        run_training(*net, tiny_splits(), o, {.model = "tiny"}, {}, {}, ranks);
      } catch (const DivergenceError& error) {
        messages[static_cast<std::size_t>(ranks.rank())] = error.what();
      }
    });
    CHECK(messages[1] == messages[0]);
    CHECK(messages[2] == messages[0]);
    if (std::string(reaction) == "skip") {
      CHECK(messages[0].empty());
      CHECK(read_checkpoint(out / "last.safetensors").state->skipped == 1);
      continue;
    }
    CHECK(messages[0].starts_with("train: step 2: expected finite loss and gradients, got loss "));
    CHECK(messages[0].find("gradient of layer") != std::string::npos);
    const std::string file = text_of(out / "nonfinite.safetensors");
    CHECK(file.find("batch.images") != std::string::npos);
    CHECK(file.find("gradient.") != std::string::npos);
  }
}
