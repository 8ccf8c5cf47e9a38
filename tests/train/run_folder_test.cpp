#include "train/run_folder.h"

#include <doctest/doctest.h>

#include <fstream>

#include "core/check.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;
namespace fs = std::filesystem;

namespace {

void touch(const fs::path& file) {
  std::ofstream(file) << "text";
}

}  // namespace

TEST_CASE("a folder with an earlier run is moved aside, one without is used") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "a" / "run";
  { CHECK_FALSE(RunFolder(run, false).moved()); }
  touch(run / "notes.txt");
  { CHECK_FALSE(RunFolder(run, false).moved()); }
  CHECK(fs::exists(run / "notes.txt"));
  for (int n = 1; n <= 2; ++n) {
    touch(run / "args.json");
    const RunFolder moved(run / "", false);  // "run/" is the same folder
    CHECK(moved.moved() == folder.path() / "a" / ("run.previous-" + std::to_string(n)));
    CHECK(fs::exists(*moved.moved() / "args.json"));
    CHECK(fs::is_empty(run));
  }
}

TEST_CASE("a run that goes on keeps its files, but for leftovers of killed processes") {
  const TemporaryFolder folder;
  touch(folder.path() / "args.json");
  touch(folder.path() / ".last.safetensors.tmp-99999999-3");  // above any process number
  const RunFolder run(folder.path(), true);
  CHECK_FALSE(run.moved());
  CHECK(fs::exists(folder.path() / "args.json"));
  CHECK_FALSE(fs::exists(folder.path() / ".last.safetensors.tmp-99999999-3"));
}

TEST_CASE("a folder belongs to one run at a time") {
  const TemporaryFolder folder;
  touch(folder.path() / "args.json");
  const std::string message = "output: " + folder.path().string() +
                              ": expected a folder for this run alone, got one that another "
                              "process writes to";
  {
    const RunFolder run(folder.path(), true);
    CHECK_THROWS_WITH_AS(RunFolder(folder.path(), true), message.c_str(), IoError);
    CHECK_THROWS_WITH_AS(RunFolder(folder.path(), false), message.c_str(), IoError);
    CHECK(fs::exists(folder.path() / "args.json"));
  }
  CHECK_NOTHROW(RunFolder(folder.path(), true));
}

TEST_CASE("a folder that cannot be made is an error") {
  CHECK_THROWS_AS(RunFolder("/dev/null/run", false), IoError);
  CHECK_THROWS_AS(RunFolder("/dev/null/run", true), IoError);
}
