#include "train/run_data.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/train/tiny_run.h"

using namespace resgrad;

TEST_CASE("training images are shuffled, augmented and mixed, those of the test are not") {
  RunOptions o = tiny_options("run");
  o.seed = 7;
  o.workers = 3;
  o.cutout = 8;
  o.random_erasing = 0.25;
  o.mixup = 0.2;
  o.cutmix = 1;
  const data::LoaderOptions test = eval_loader_options(tiny_splits(), o);
  CHECK(test.batch_size == 16);
  CHECK(test.workers == 3);
  CHECK_FALSE(test.shuffle);
  CHECK_FALSE(test.drop_last);
  CHECK_FALSE(test.augment);
  CHECK_FALSE(test.mix.any());
  data::LoaderOptions train = train_loader_options(tiny_splits(), o);
  CHECK(train.seed == 7);
  CHECK(train.shuffle);
  CHECK(train.drop_last);
  REQUIRE(train.augment);
  CHECK(train.augment->pad == 4);
  CHECK((train.augment->flip == data::Flip::random));
  CHECK((train.augment->pad_mode == data::PadMode::zero));
  CHECK(train.augment->cutout == 8);
  CHECK(train.augment->random_erasing == 0.25);
  CHECK(train.mix.mixup == 0.2);
  CHECK(train.mix.cutmix == 1);
  o.pad = 2;
  o.pad_mode = "reflect";
  o.flip = "alternating";
  train = train_loader_options(tiny_splits(), o);
  CHECK(train.augment->pad == 2);
  CHECK((train.augment->flip == data::Flip::alternating));
  CHECK((train.augment->pad_mode == data::PadMode::reflect));
  CHECK((train.augment->policy == data::Policy::plain));
  o.augment = "trivial";
  CHECK((train_loader_options(tiny_splits(), o).augment->policy == data::Policy::trivial));
  o.augment = "rand";
  CHECK((train_loader_options(tiny_splits(), o).augment->policy == data::Policy::rand));
  o.flip = "never";
  CHECK_THROWS_AS(train_loader_options(tiny_splits(), o), ValueError);
  o.no_augment = true;
  o.flip = "random";
  train = train_loader_options(tiny_splits(), o);
  CHECK(train.augment->pad == 0);
  CHECK((train.augment->flip == data::Flip::none));
  CHECK((train.augment->policy == data::Policy::plain));
  CHECK(train.augment->cutout == 8);
}

TEST_CASE("ranks share out the shards of an update, and the batches of an evaluation") {
  class Third final : public Communicator {
   public:
    Third() : Communicator(2, 4) {}
  };
  const Third ranks;
  RunOptions o = tiny_options("run");
  CHECK(shards_per_update(o) == 1);
  CHECK(images_per_update(80, o) == 16);
  o.shards = 5;
  o.accumulate = 2;
  CHECK(shards_per_update(o) == 10);
  CHECK(images_per_update(80, o) == 32);
  CHECK(images_per_update(8, o) == 16);
  const data::LoaderOptions train = train_loader_options(tiny_splits(), o, ranks);
  CHECK(train.shards == 5);
  CHECK(train.turns.of == 10);
  CHECK(train.turns.begin == 5);
  CHECK(train.turns.end == 7);
  const data::LoaderOptions test = eval_loader_options(tiny_splits(), o, ranks);
  CHECK(test.shards == 1);
  CHECK(test.turns.of == 4);
  CHECK(test.turns.begin == 2);
  CHECK(test.turns.end == 3);
}

TEST_CASE("a batch to be learnt by heart is the same each time") {
  RunOptions o = tiny_options("run");
  o.overfit_batch = true;
  o.mixup = 1;
  const data::LoaderOptions train = train_loader_options(tiny_splits(), o);
  CHECK_FALSE(train.shuffle);
  CHECK_FALSE(train.drop_last);
  CHECK_FALSE(train.augment);
  CHECK_FALSE(train.mix.any());
  data::DataSplits data = first_update_only(tiny_splits(), o);
  CHECK(data.train->size() == 16);
  CHECK(data.test == data.train);
  o.accumulate = 2;
  CHECK(first_update_only(tiny_splits(), o).train->size() == 32);
  CHECK(train_loader_options(tiny_splits(), o).drop_last);  // batches of an update are of one size
  o.batch_size = 1000;
  CHECK(first_update_only(tiny_splits(), o).train->size() == 80);
}

TEST_CASE("batches that do not make an update are left out") {
  RunOptions o = tiny_options("run");
  CHECK(updates_per_epoch(5, 80, o) == 5);
  o.accumulate = 2;
  CHECK(updates_per_epoch(5, 80, o) == 2);
  o.limit_train_batches = 3;
  CHECK(updates_per_epoch(5, 80, o) == 1);
  o.limit_train_batches = 100;
  CHECK(updates_per_epoch(5, 80, o) == 2);
  o.accumulate = 6;
  CHECK_THROWS_AS(updates_per_epoch(5, 80, o), ValueError);
}

TEST_CASE("the length of a run is that of its epochs, or of max_steps") {
  RunOptions o = tiny_options("run");
  o.epochs = 3;
  o.eval_every = 2;
  CHECK(run_length(5, 80, o).total_steps == 15);
  CHECK(run_length(5, 80, o).steps_per_epoch == 5);
  CHECK(run_length(5, 80, o).eval_every == 2);
  o.max_steps = 7;
  CHECK(run_length(5, 80, o).total_steps == 7);
  o.max_steps = 100;
  CHECK(run_length(5, 80, o).total_steps == 15);
  o.eval_every = 0;
  CHECK_THROWS_WITH_AS(run_length(5, 80, o), "train: eval_every: expected at least 1, got 0",
                       ValueError);
}

TEST_CASE("a dry run leaves the folder of the images as it is") {
  RunOptions o = tiny_options("run");
  CHECK(load_options(o, "").folder.write_cache);
  o.dry_run = true;
  CHECK_FALSE(load_options(o, "").folder.write_cache);
}
