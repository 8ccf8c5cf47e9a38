#include "train/run_options.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/check.h"

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
  CHECK(json.size() == 57);  // a new field of RunOptions belongs in to_json, too
}

TEST_CASE("settings that decide on the result leave out where and how fast a run works") {
  RunOptions options, elsewhere;
  elsewhere.data_path = "/data";
  elsewhere.output_dir = "/results";
  elsewhere.workers = elsewhere.threads = 7;
  elsewhere.conv_engine = elsewhere.isa = "other";
  elsewhere.print_freq = 1;
  elsewhere.max_steps = 1;
  elsewhere.recompute = true;
  elsewhere.quiet = elsewhere.profile = elsewhere.log_norms = true;
  elsewhere.keep = 9;
  elsewhere.checkpoint_minutes = 1;
  elsewhere.on_nonfinite = "skip";
  elsewhere.resume = "auto";
  CHECK(result_settings(options) == result_settings(elsewhere));
  elsewhere.weight_decay = 1;
  CHECK(result_settings(options) != result_settings(elsewhere));
  // a new setting is taken to matter unless it is named among those that do not
  CHECK(nlohmann::json::parse(result_settings(options)).size() == 57 - 16);
}

TEST_CASE("settings that JSON cannot hold are an error that names them") {
  RunOptions options;
  options.output_dir = "r\xe9s/a";
  CHECK_THROWS_WITH_AS(to_json(options),
                       "settings: output_dir: expected text in UTF-8, as the record of the "
                       "settings is, got r\xe9s/a",
                       ValueError);
  options.output_dir = "r\xc3\xa9s/a";
  CHECK_NOTHROW(to_json(options));
}
