// Schedules against numbers by hand, PyTorch's values and the properties that they promise.
//
// The values of PyTorch 1.13.0 come from
//   def run(make, steps, want):
//       o = SGD([torch.nn.Parameter(torch.zeros(1))], 0.1); sch = make(o); out = []
//       for _ in range(steps): out.append(o.param_groups[0]["lr"]); o.step(); sch.step()
//       print([out[i] for i in want])
// with the line above each list; s is torch.optim.lr_scheduler.
#include "train/optim/schedule.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/check.h"

namespace resgrad {
namespace {

void check_values(const ScheduleOptions& options, const std::vector<std::int64_t>& steps,
                  const std::vector<double>& values) {
  REQUIRE_EQ(steps.size(), values.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CAPTURE(steps[i]);
    CHECK_EQ(learning_rate(options, steps[i]), doctest::Approx(values[i]).epsilon(1e-12));
  }
}

TEST_CASE("constant stays") {
  check_values({.name = "constant", .base_lr = 0.3, .total_steps = 5}, {0, 4, 99}, {0.3, 0.3, 0.3});
}

TEST_CASE("step drops every step_size_epochs") {
  // s.StepLR(o, 30, 0.1), 100
  check_values({.name = "step", .total_steps = 100}, {0, 29, 30, 59, 60, 89, 90, 99},
               {0.1, 0.1, 0.010000000000000002, 0.010000000000000002, 0.0010000000000000002,
                0.0010000000000000002, 0.00010000000000000003, 0.00010000000000000003});
  // epochs of 7 steps: the first drop at step 2 * 7
  check_values({.name = "step",
                .base_lr = 1,
                .total_steps = 100,
                .steps_per_epoch = 7,
                .gamma = 0.5,
                .step_size_epochs = 2},
               {13, 14, 27, 28}, {1, 0.5, 0.5, 0.25});
}

TEST_CASE("multistep drops at its milestones, in epochs or iterations") {
  // s.MultiStepLR(o, [32, 48], 0.1), 64
  ScheduleOptions options{.name = "multistep", .total_steps = 64, .milestones = {32, 48}};
  const std::vector<double> values{0.1,
                                   0.1,
                                   0.010000000000000002,
                                   0.010000000000000002,
                                   0.0010000000000000002,
                                   0.0010000000000000002};
  check_values(options, {0, 31, 32, 47, 48, 63}, values);
  options.steps_per_epoch = 10;
  options.total_steps = 640;
  check_values(options, {0, 319, 320, 479, 480, 639}, values);
  options.milestones_in_iterations = true;
  check_values(options, {0, 31, 32, 47, 48, 639}, values);
}

TEST_CASE("cosine falls to min_lr") {
  const std::vector<std::int64_t> steps{0, 11, 22, 33, 44, 55, 66, 77, 88, 99};
  // s.CosineAnnealingLR(o, 100), 100
  ScheduleOptions options{.name = "cosine", .total_steps = 100};
  check_values(options, steps,
               {0.1, 0.09704403844771128, 0.0885256621387895, 0.0754520707875186,
                0.05936906572928628, 0.042178276747988484, 0.025912316294914254,
                0.012494446518477033, 0.003511175705587435, 2.4671981713420017e-05});
  // s.CosineAnnealingLR(o, 100, eta_min=0.001), 100
  options.min_lr = 0.001;
  check_values(options, steps,
               {0.1, 0.09707359806323415, 0.08864040551740154, 0.07569755007964338,
                0.05977537507199335, 0.04275649398050855, 0.02665319313196507, 0.01336950205329224,
                0.0044760639485315525, 0.0010244252618962857});
  // half way: the mean of the ends
  check_values(options, {50}, {0.0505});
}

TEST_CASE("onecycle rises and falls") {
  // s.OneCycleLR(o, max_lr=0.4, total_steps=50), 50
  check_values({.name = "onecycle", .base_lr = 0.4, .total_steps = 50},
               {0, 1, 7, 13, 14, 15, 20, 35, 48, 49},
               {0.016000000000000014, 0.020813840861089894, 0.20800000000000002,
                0.39518615913891014, 0.4, 0.3991948620196127, 0.37168987196133835,
                0.13819764833860604, 0.0008067379803873826, 1.6e-06});
  // s.OneCycleLR(o, max_lr=0.4, total_steps=20, pct_start=0.45, div_factor=10,
  //              final_div_factor=100), 20
  check_values({.name = "onecycle",
                .base_lr = 0.4,
                .total_steps = 20,
                .rise_share = 0.45,
                .start_factor = 0.1,
                .end_factor = 0.001},
               {0, 3, 7, 8, 9, 12, 15, 17, 18, 19},
               {0.03999999999999998, 0.15111698217428382, 0.3862983158520316, 0.4,
                0.39190669612817663, 0.28319991959777696, 0.11720008040222311, 0.032117544140329975,
                0.008493303871823447, 0.0004});
}

TEST_CASE("triangular rises to its maximum and falls to its end on straight lines") {
  // numpy.interp(range(10), [0, 2, 10], [0.2, 1, 0]) * 0.5
  const ScheduleOptions o{.name = "triangular",
                          .base_lr = 0.5,
                          .total_steps = 10,
                          .rise_share = 0.2,
                          .start_factor = 0.2,
                          .end_factor = 0};
  const std::vector<double> want = {0.1,    0.3,  0.5,    0.4375, 0.375,
                                    0.3125, 0.25, 0.1875, 0.125,  0.0625};
  for (std::int64_t t = 0; t < 10; ++t) {
    CAPTURE(t);
    CHECK(learning_rate(o, t) == doctest::Approx(want[static_cast<std::size_t>(t)]).epsilon(1e-12));
    CHECK(momentum(o, t) == o.base_momentum);
  }
  ScheduleOptions falling = o;
  falling.rise_share = 0;
  CHECK(learning_rate(falling, 0) == 0.5);
  ScheduleOptions warm = o;
  warm.warmup_epochs = 1;
  CHECK_THROWS_AS(validate(warm), ValueError);
}

TEST_CASE("onecycle cycles the momentum against the learning rate") {
  // s.OneCycleLR(o, max_lr=0.4, total_steps=50), momentum of the first group
  ScheduleOptions options{.name = "onecycle", .base_lr = 0.4, .total_steps = 50};
  const std::vector<std::int64_t> steps{0, 7, 14, 15, 30, 49};
  const std::vector<double> expected{0.95, 0.9, 0.85, 0.850201285300238, 0.8932883367091172, 0.95};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CAPTURE(steps[i]);
    CHECK_EQ(momentum(options, steps[i]), doctest::Approx(expected[i]).epsilon(1e-12));
  }
  options.momentum_cycle = 0;
  CHECK_EQ(momentum(options, 14), 0.9);
  options = {.name = "cosine", .base_momentum = 0.8, .total_steps = 50};
  CHECK_EQ(momentum(options, 14), 0.8);
}

TEST_CASE("onecycle of few steps or without a rise stays finite and ends at its last value") {
  for (std::int64_t total : {1, 2, 3, 4, 10}) {
    for (double rise_share : {0.0, 0.25, 0.3, 0.5, 0.99}) {
      CAPTURE(total);
      CAPTURE(rise_share);
      const ScheduleOptions options{.name = "onecycle",
                                    .base_lr = 1,
                                    .total_steps = total,
                                    .rise_share = rise_share,
                                    .start_factor = 0.1,
                                    .end_factor = 0.01};
      for (std::int64_t t = 0; t < total; ++t) {
        CHECK_GE(learning_rate(options, t), 0.01 - 1e-12);
        CHECK_LE(learning_rate(options, t), 1);
      }
      CHECK_EQ(learning_rate(options, total - 1), doctest::Approx(0.01));
    }
  }
}

TEST_CASE("linear warm-up leads into cosine without a jump") {
  // s.SequentialLR(o, [s.LinearLR(o, start_factor=0.01, total_iters=20),
  //                    s.CosineAnnealingLR(o, 80)], [20]), 100
  const ScheduleOptions options{
      .name = "cosine", .total_steps = 100, .steps_per_epoch = 10, .warmup_epochs = 2};
  check_values(
      options, {0, 1, 5, 10, 19, 20, 21, 40, 60, 99},
      {0.001, 0.0059499999999999996, 0.02575, 0.0505, 0.09505000000000002, 0.1, 0.09996145181203615,
       0.08535533905932739, 0.05000000000000001, 3.854818796385496e-05});
}

TEST_CASE("constant warm-up is He's: 0.01 for 400 iterations, then 0.1, dropped at 32k and 48k") {
  const ScheduleOptions options{.name = "multistep",
                                .total_steps = 64000,
                                .steps_per_epoch = 391,
                                .milestones = {32000, 48000},
                                .milestones_in_iterations = true,
                                .warmup_epochs = 400.0 / 391,
                                .warmup_method = "constant",
                                .warmup_factor = 0.1};
  check_values(options, {0, 399, 400, 31999, 32000, 47999, 48000, 63999},
               {0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001});
}

TEST_CASE("a warm-up may be a fraction of an epoch or longer than the run") {
  // 0.25 epochs of 10 steps are 2.5 steps, rounded to 3: 0.01 + 0.99 / 3 at step 1
  const ScheduleOptions fraction{.name = "constant",
                                 .base_lr = 1,
                                 .total_steps = 100,
                                 .steps_per_epoch = 10,
                                 .warmup_epochs = 0.25};
  check_values(fraction, {0, 1, 2, 3}, {0.01, 0.34, 0.67, 1});
  for (const char* name : {"constant", "step", "multistep", "cosine"}) {
    const ScheduleOptions longer{
        .name = name, .base_lr = 1, .total_steps = 5, .steps_per_epoch = 5, .warmup_epochs = 2};
    check_values(longer, {0, 4, 5}, {0.01, 0.406, 0.406});
  }
}

TEST_CASE("schedules rise in the warm-up, fall after it and hold the last value") {
  for (const char* name : {"constant", "step", "multistep", "cosine"}) {
    for (double warmup_epochs : {0.0, 1.0, 2.4}) {
      CAPTURE(name);
      CAPTURE(warmup_epochs);
      const ScheduleOptions options{.name = name,
                                    .total_steps = 200,
                                    .steps_per_epoch = 10,
                                    .step_size_epochs = 5,
                                    .milestones = {8, 15},
                                    .warmup_epochs = warmup_epochs};
      const auto top = static_cast<std::int64_t>(std::lround(10 * warmup_epochs));
      CHECK_EQ(learning_rate(options, top), doctest::Approx(0.1));
      for (std::int64_t t = 1; t < 250; ++t) {
        const double change = learning_rate(options, t) - learning_rate(options, t - 1);
        CHECK((t <= top ? change > 0 : change <= 0));
        // no jump but at the drops of step and multistep
        if (t <= top) CHECK_LT(change, 0.1 / static_cast<double>(top) + 1e-12);
      }
      CHECK_EQ(learning_rate(options, 200), learning_rate(options, 199));
      CHECK_EQ(learning_rate(options, 1'000'000), learning_rate(options, 199));
    }
  }
}

TEST_CASE("unknown names are reported with the known ones") {
  CHECK_THROWS_WITH_AS(validate({.name = "linear", .total_steps = 1}),
                       "schedule: name: expected one of constant, step, multistep, cosine, "
                       "onecycle, triangular, got linear",
                       ValueError);
  CHECK_THROWS_WITH_AS(validate({.total_steps = 1, .warmup_method = "exp"}),
                       "schedule: warmup_method: expected linear or constant, got exp", ValueError);
}

TEST_CASE("a warm-up of more updates than there are numbers is an error") {
  CHECK_THROWS_WITH_AS(
      validate({.name = "cosine", .total_steps = 10, .steps_per_epoch = 5, .warmup_epochs = 1e300}),
      "schedule: warmup_epochs: expected fewer than 2^53 updates of warm-up, got 1e+300 epochs of "
      "5",
      ValueError);
}

TEST_CASE("settings out of range are errors") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto rejects = [](const ScheduleOptions& options) {
    CHECK_THROWS_AS(validate(options), ValueError);
    CHECK_THROWS_AS(learning_rate(options, 0), ValueError);
  };
  CHECK_NOTHROW(validate({.total_steps = 1}));
  rejects({.total_steps = 0});
  rejects({.base_lr = -0.1, .total_steps = 1});
  rejects({.base_lr = nan, .total_steps = 1});
  rejects({.total_steps = 1, .steps_per_epoch = 0});
  rejects({.total_steps = 1, .gamma = 0});
  rejects({.total_steps = 1, .step_size_epochs = 0});
  rejects({.total_steps = 1, .milestones = {3, 2}});
  rejects({.total_steps = 1, .milestones = {2, 2}});
  rejects({.total_steps = 1, .milestones = {-1}});
  rejects({.total_steps = 1, .warmup_epochs = -1});
  rejects({.total_steps = 1, .warmup_epochs = nan});
  rejects({.total_steps = 1, .warmup_factor = 1.1});
  rejects({.total_steps = 1, .warmup_factor = nan});
  rejects({.name = "onecycle", .total_steps = 1, .warmup_epochs = 1});
  rejects({.total_steps = 1, .min_lr = 0.2});
  rejects({.total_steps = 1, .rise_share = 1});
  rejects({.total_steps = 1, .start_factor = -1});
  rejects({.total_steps = 1, .end_factor = -1});
  rejects({.name = "onecycle", .total_steps = 1, .momentum_cycle = -0.01});
  rejects({.name = "onecycle", .base_momentum = 0.95, .total_steps = 1});
  rejects({.name = "onecycle", .base_momentum = 0, .total_steps = 1});
  CHECK_THROWS_AS(learning_rate({.total_steps = 1}, -1), ValueError);
  CHECK_THROWS_AS(momentum({.total_steps = 1}, -1), ValueError);
}

}  // namespace
}  // namespace resgrad
