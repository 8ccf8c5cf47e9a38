#include "train/resume.h"

#include <doctest/doctest.h>

#include <fstream>

#include "core/check.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/tiny_run.h"
#include "train/run_record.h"

using namespace resgrad;
namespace fs = std::filesystem;

namespace {

void write_state(const fs::path& file, std::int64_t step) {
  write_checkpoint(file, {.info = {.step = step},
                          .model = tiny_net()->state_dict(),
                          .optimizer = {},
                          .state = TrainState{}});
}

void damage(const fs::path& file) {
  fs::resize_file(file, fs::file_size(file) - 1);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the newest checkpoint that can be read is taken, and the others are reported") {
  const TemporaryFolder folder;
  const fs::path last = folder.path() / kLastFile;
  CHECK_FALSE(newest_checkpoint(folder.path()));
  CHECK_FALSE(newest_checkpoint(folder.path() / "missing"));
  write_state(last, 30);
  write_state(previous_file(last, 1), 20);
  write_state(previous_file(last, 3), 10);  // a gap may be
  CHECK(newest_checkpoint(folder.path())->checkpoint.info.step == 30);
  CHECK(newest_checkpoint(folder.path())->damaged.empty());

  damage(last);
  const auto found = newest_checkpoint(folder.path());
  CHECK(found->checkpoint.info.step == 20);
  CHECK(found->file == previous_file(last, 1));
  REQUIRE(found->damaged.size() == 1);
  CHECK(found->damaged[0].first == last);
  CHECK(contains(found->damaged[0].second, last.string()));

  damage(previous_file(last, 1));
  CHECK(newest_checkpoint(folder.path())->checkpoint.info.step == 10);
  CHECK(newest_checkpoint(folder.path())->damaged.size() == 2);
  damage(previous_file(last, 3));
  CHECK_THROWS_AS(newest_checkpoint(folder.path()), IoError);
  fs::remove(last);
  fs::remove(previous_file(last, 1));
  write_state(previous_file(last, 2), 15);  // last itself is missing
  CHECK(newest_checkpoint(folder.path())->checkpoint.info.step == 15);
}

TEST_CASE("what --resume asks for") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  fs::create_directory(run);
  CHECK_FALSE(find_checkpoint("", run));
  CHECK_FALSE(find_checkpoint("auto", run));
  CHECK_THROWS_AS(find_checkpoint(run.string(), folder.path()), IoError);  // nothing in it
  CHECK_THROWS_AS(find_checkpoint((run / "missing").string(), run), IoError);
  write_state(run / kLastFile, 5);
  write_state(run / kBestFile, 3);
  CHECK_FALSE(find_checkpoint("", run));
  CHECK(find_checkpoint("auto", run)->checkpoint.info.step == 5);
  CHECK(find_checkpoint(run.string(), folder.path())->checkpoint.info.step == 5);
  CHECK(find_checkpoint((run / kBestFile).string(), folder.path())->checkpoint.info.step == 3);
  damage(run / kBestFile);
  CHECK_THROWS_AS(find_checkpoint((run / kBestFile).string(), run), IoError);
  save_weights(run / "weights.safetensors", *tiny_net(), {});
  CHECK_THROWS_WITH_AS(find_checkpoint((run / "weights.safetensors").string(), run),
                       ("resume: " + (run / "weights.safetensors").string() +
                        ": expected a checkpoint of a run, got a file of weights alone")
                           .c_str(),
                       IoError);
}

TEST_CASE("settings that differ are named, unless they do not matter") {
  RunOptions saved, now;
  const std::string text = result_settings(saved);
  CHECK(differing_settings(text, now).empty());
  now.workers = 7;
  now.output_dir = "elsewhere";
  now.data_path = "/other";
  CHECK(differing_settings(text, now).empty());
  now.lr = 0.2;
  now.model = "resnet56";
  CHECK(differing_settings(text, now) ==
        "model is \"resnet20\" there and \"resnet56\" here; lr is 0.1 there and 0.2 here");
  CHECK(differing_settings("{}", RunOptions{}).empty());  // unknown there: the default
  CHECK(differing_settings("{}", now).starts_with("model is "));
  CHECK(differing_settings(R"({"teacher":"x"})", RunOptions{}) ==
        "teacher is \"x\" there and null here");
}

TEST_CASE("a setting that names what the network's family chooses anyway is the same") {
  const ResolveDefaults resolve = [](RunOptions& o) {
    if (o.model == "unknown") return;
    if (o.shortcut.empty()) o.shortcut = o.activation == "pre" ? "B" : "A";
  };
  const auto differ = [&](const char* saved, const char* now, const char* order = "") {
    RunOptions before, after;
    before.shortcut = saved;
    after.shortcut = now;
    before.activation = after.activation = order;
    return differing_settings(result_settings(before), after, resolve);
  };
  CHECK(differ("", "A") == "");
  CHECK(differ("A", "") == "");
  CHECK(differ("", "B") == "shortcut is \"A\" there and \"B\" here");
  CHECK(differ("", "B", "pre") == "");
  CHECK(differ("", "A", "pre") == "shortcut is \"B\" there and \"A\" here");
  CHECK(differing_settings(R"({"model":"unknown"})", RunOptions{}, resolve)
            .starts_with("model is \"unknown\" there and \"resnet20\" here"));
}

TEST_CASE("the defaults of a schedule may be named") {
  RunOptions saved, now;
  saved.lr_scheduler = now.lr_scheduler = "triangular";
  now.lr_rise_share = 0.2;
  CHECK(differing_settings(result_settings(saved), now) == "");
  now.lr_end_factor = 0.1;
  CHECK(differing_settings(result_settings(saved), now) ==
        "lr_end_factor is 0.0 there and 0.1 here");
}

TEST_CASE("a run can be made longer where the learning rate does not depend on its length") {
  for (const char* schedule : {"constant", "step", "multistep", "cosine", "onecycle"}) {
    CAPTURE(schedule);
    RunOptions saved;
    saved.lr_scheduler = schedule;
    RunOptions now = saved;
    now.epochs = 20;
    const bool depends = std::string(schedule) == "cosine" || std::string(schedule) == "onecycle";
    CHECK(differing_settings(result_settings(saved), now) ==
          (depends ? "epochs is 10 there and 20 here" : ""));
  }
}
