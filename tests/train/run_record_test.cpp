#include "train/run_record.h"

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
  CHECK_FALSE(json.contains("resume"));  // it belongs to a start, not to the run
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
  elsewhere.patience = 3;
  elsewhere.min_delta = 1;
  CHECK(result_settings(options) == result_settings(elsewhere));
  elsewhere.weight_decay = 1;
  CHECK(result_settings(options) != result_settings(elsewhere));
}

TEST_CASE("a record of the settings keeps its keys and their order") {
  // of an earlier version; what was added since comes with its default
  const std::string text =
      R"({"model":"resnet20","activation":"","shortcut":"","stem":"","zero_init_residual":"",)"
      R"("dataset":"synthetic","val_split":0,"no_augment":false,"cutout":0,"random_erasing":0.0,)"
      R"("mixup":0.0,"cutmix":0.0,"epochs":10,"batch_size":2,"accumulate":1,"optimizer":"sgd",)"
      R"("lr":0.1,"momentum":0.9,"momentum_cycle":0.05,"dampening":0.0,"nesterov":false,)"
      R"("beta1":0.9,"beta2":0.999,"eps":1e-08,"weight_decay":0.0005,"no_norm_decay":false,)"
      R"("lr_scheduler":"cosine","lr_milestones":[100,150],"lr_milestones_in_steps":false,)"
      R"("lr_step_size":30,"lr_gamma":0.1,"lr_warmup_epochs":0.0,"lr_warmup_method":"linear",)"
      R"("lr_warmup_factor":0.01,"label_smoothing":0.0,"clip_grad_norm":0.0,"ema_decay":0.0,)"
      R"("seed":1,"overfit_batch":false,"limit_train_batches":0,"limit_eval_batches":1})";
  const auto saved = nlohmann::ordered_json::parse(text);
  const auto now = nlohmann::ordered_json::parse(result_settings(from_json(text)));
  std::vector<std::string> keys;
  for (const auto& [key, value] : now.items()) {
    if (!saved.contains(key)) continue;
    keys.push_back(key);
    CHECK(value == saved[key]);
  }
  std::vector<std::string> saved_keys;
  for (const auto& [key, value] : saved.items()) saved_keys.push_back(key);
  CHECK(keys == saved_keys);
}

TEST_CASE("settings come back from their record") {
  RunOptions options;
  options.model = "resnet56";
  options.lr = 0.123456789;
  options.lr_milestones = {1, 2};
  options.nesterov = true;
  options.seed = 18446744073709551615u;
  options.resume = "auto";
  const RunOptions back = from_json(to_json(options));
  CHECK(to_json(back) == to_json(options));
  CHECK(back.resume.empty());
  CHECK(to_json(from_json("{}")) == to_json(RunOptions{}));
  CHECK(to_json(from_json(R"({"activation": "", "teacher": 1})")) == to_json(RunOptions{}));
  CHECK_THROWS_WITH_AS(from_json(R"({"lr": "fast"})"),
                       "settings: lr: expected a finite number above 0, got \"fast\"", ValueError);
  CHECK_THROWS_WITH_AS(from_json("[1]"), "settings: expected a JSON object, got array", ValueError);
  CHECK_THROWS_WITH_AS(from_json(R"({"lr":)" + std::string(1'000'000, '[') + "1" +
                                 std::string(1'000'000, ']') + "}"),
                       "settings: expected values nested at most 100 deep, got more", ValueError);
  CHECK_THROWS_WITH_AS(from_json("{"),
                       doctest::Contains("settings: expected a JSON object, got: parse error"),
                       ValueError);
}

TEST_CASE("settings that JSON cannot hold are an error that names them") {
  RunOptions options;
  options.output_dir = "r\xe9s/a";
  CHECK_THROWS_WITH_AS(to_json(options),
                       "settings: output-dir: expected text in UTF-8, as the record of the "
                       "settings is, got \"r\xef\xbf\xbds/a\"",
                       ValueError);
  options = {};
  options.freeze = {"stem", "\xe9"};
  CHECK_THROWS_WITH_AS(to_json(options),
                       "settings: freeze: expected text in UTF-8, as the record of the settings "
                       "is, got [\"stem\",\"\xef\xbf\xbd\"]",
                       ValueError);
  options.freeze = {};
  options.output_dir = "r\xc3\xa9s/a";
  CHECK_NOTHROW(to_json(options));
}
