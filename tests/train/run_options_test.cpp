#include "train/run_options.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

using namespace resgrad;

TEST_CASE("a network is told as it was asked for") {
  CHECK(describe(NetworkOptions{}) == "resnet20");
  CHECK(describe(NetworkOptions{.model = "resnet18", .groups = "4", .stem_channels = "8"}) ==
        "resnet18 with groups=4 stem_channels=8");
}

TEST_CASE("every setting of a run has a row of its own, with what help needs") {
  RunOptions options;
  std::set<std::string_view> names;
  for (const Setting& row : settings(options)) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    // the words for the fields of a network come from the layer that knows them
    const bool is_field = std::ranges::find(kNetworkFields, row.name, &NetworkField::name) !=
                          std::end(kNetworkFields);
    CHECK(row.help.empty() == is_field);
    CHECK_FALSE(row.help.ends_with('.'));
  }
}

TEST_CASE("defaults lie within the limits of their settings") {
  RunOptions options;
  for (Setting& row : settings(options)) {
    CAPTURE(row.name);
    const auto value = json_value(row);
    if (value == "") continue;  // left to the network or the machine
    assign(row, value);
    CHECK(json_value(row) == value);
  }
}

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

TEST_CASE("README names every setting of a run") {
  std::ostringstream text;
  text << std::ifstream(RESGRAD_SOURCE_DIR "/README.md").rdbuf();
  const std::string readme = text.str();
  RunOptions options;
  for (const Setting& row : settings(options)) {
    CAPTURE(row.name);
    const auto named = [&](const std::string& flag) {
      return readme.find('`' + flag + '`') != std::string::npos ||
             readme.find('`' + flag + ' ') != std::string::npos;
    };
    CHECK((named("--" + std::string(row.name)) || named(std::string(row.also))));
  }
}
