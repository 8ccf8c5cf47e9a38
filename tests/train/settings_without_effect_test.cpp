#include "train/settings_without_effect.h"

#include <doctest/doctest.h>

using namespace resgrad;

TEST_CASE("settings without effect are told") {
  const auto told = [](auto change) {
    RunOptions o;
    change(o);
    return settings_without_effect(o);
  };
  using Texts = std::vector<std::string>;
  CHECK(told([](RunOptions&) {}).empty());
  CHECK(told([](RunOptions& o) { o.lr_milestones = {5}; }) ==
        Texts{"lr-milestones has no effect: it has one only with --lr-scheduler multistep"});
  CHECK(told([](RunOptions& o) { o.lr_scheduler = "multistep", o.lr_milestones = {5}; }).empty());
  CHECK(told([](RunOptions& o) { o.lr_scheduler = "multistep"; }) ==
        Texts{"lr-milestones: not all of 100, 150 lie within the 10 epochs of the run"});
  CHECK(told([](RunOptions& o) { o.lr_scheduler = "step"; }) ==
        Texts{"lr-step-size: the run of 10 epochs ends before the first drop, after 30"});
  CHECK(told([](RunOptions& o) { o.lr_warmup_epochs = 10; }) ==
        Texts{"lr-warmup-epochs: the run of 10 epochs ends within its warm-up of 10"});
  CHECK(told([](RunOptions& o) { o.lr_warmup_factor = 0.5; }).size() == 1);
  CHECK(told([](RunOptions& o) { o.no_augment = true, o.flip = "none", o.pad = 2; }).size() == 2);
  CHECK(told([](RunOptions& o) { o.overfit_batch = true, o.mixup = 1; }).size() == 1);
  CHECK(told([](RunOptions& o) { o.lr_scheduler = "onecycle", o.momentum_cycle = 0.1; }).empty());
  CHECK(told([](RunOptions& o) { o.momentum_cycle = 0.1; }).size() == 1);
  CHECK(told([](RunOptions& o) { o.min_delta = 0.1; }).size() == 1);
  CHECK(told([](RunOptions& o) { o.min_delta = 0.1, o.patience = 1; }).empty());
  CHECK(told([](RunOptions& o) { o.min_lr = 0.01; }).empty());
  CHECK(told([](RunOptions& o) { o.min_lr = 0.01, o.lr_scheduler = "constant"; }).size() == 1);
}
