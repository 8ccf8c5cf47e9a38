#include "train/run_options.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace resgrad;

TEST_CASE("settings are recorded as JSON, all of them") {
  RunOptions options;
  options.model = "resnet\"20";
  options.seed = 18446744073709551615u;
  options.lr_milestones = {1, 2};
  const auto json = nlohmann::json::parse(to_json(options));
  CHECK(json["model"] == "resnet\"20");
  CHECK(json["seed"] == 18446744073709551615u);
  CHECK(json["lr_milestones"] == std::vector<int>{1, 2});
  CHECK(json["weight_decay"] == 5e-4);
  CHECK(json.contains("version"));
  CHECK(json.size() == 43);  // a new field of RunOptions belongs in to_json, too
}
