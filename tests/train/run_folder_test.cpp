#include "train/run_folder.h"

#include <doctest/doctest.h>
#include <sys/mount.h>

#include <fstream>

#include "core/check.h"
#include "tests/support/as_nobody.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/tiny_run.h"
#include "train/trainer.h"

using namespace resgrad;
namespace fs = std::filesystem;

namespace {

void touch(const fs::path& file) {
  std::ofstream(file) << "text";
}

void leave_run(const fs::path& folder) {
  fs::create_directories(folder);
  for (const char* file : {"args.json", "last.1.safetensors", "events.out.tfevents.1.host.2.3"}) {
    touch(folder / file);
  }
}

bool holds_run(const fs::path& folder) {
  return run_files(folder).size() == 3;
}

// The current folder of the process while alive.
class Inside {
 public:
  explicit Inside(const fs::path& folder) : before_(fs::current_path()) {
    fs::current_path(folder);
  }
  ~Inside() { fs::current_path(before_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  fs::path before_;
};

}  // namespace

TEST_CASE("a folder with an earlier run is moved aside, one without is used") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "a" / "run";
  { CHECK_FALSE(RunFolder(run, EarlierRun::move).moved()); }
  touch(run / "notes.txt");
  { CHECK_FALSE(RunFolder(run, EarlierRun::move).moved()); }
  CHECK(fs::exists(run / "notes.txt"));
  for (int n = 1; n <= 2; ++n) {
    leave_run(run);
    const RunFolder moved(run / "", EarlierRun::move);  // "run/" is the same folder
    CHECK(moved.moved() == folder.path() / "a" / ("run.previous-" + std::to_string(n)));
    CHECK(holds_run(*moved.moved()));
    CHECK(fs::is_empty(run));
  }
}

TEST_CASE("every file that a run writes is one of an earlier run for the next") {
  for (const char* file : {"args.json", "metrics.csv", "metrics.jsonl", "train.log", "profile.json",
                           "events.out.tfevents.1.host.2.3", "last.safetensors",
                           "last.12.safetensors", "last.safetensors.damaged", "best.safetensors",
                           "best.1.safetensors", "ema.safetensors", "nonfinite.safetensors"}) {
    CAPTURE(file);
    const TemporaryFolder folder;
    touch(folder.path() / "run.json");
    CHECK(run_files(folder.path()).empty());
    touch(folder.path() / file);
    CHECK(run_files(folder.path()).size() == 1);
    CHECK(holds_weights(folder.path()) ==
          (std::string(file).find("safetensors") != std::string::npos));
  }
  const TemporaryFolder folder;
  RunOptions o = tiny_options(folder.path() / "run");
  o.ema_decay = 0.9;
  o.profile = true;
  o.checkpoint_minutes = 1e-9;
  run_training(*tiny_net(), tiny_splits(), o, {});
  const fs::directory_iterator entries(o.output_dir);
  CHECK(std::ssize(run_files(o.output_dir)) == std::distance(begin(entries), end(entries)));
}

TEST_CASE("a folder that cannot be renamed keeps the earlier run inside") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  const auto moves_inside = [&](const fs::path& path) {
    leave_run(run);
    touch(run / "notes.txt");
    const RunFolder moved(path, EarlierRun::move);
    CHECK(moved.moved() == path / "previous-1");
    CHECK(holds_run(run / "previous-1"));
    CHECK(run_files(run).empty());
    CHECK(fs::exists(run / "notes.txt"));
  };
  SUBCASE("a symbolic link") {
    const fs::path link = folder.path() / "link";
    fs::create_directory_symlink(run, link);
    moves_inside(link);
    CHECK(fs::is_symlink(link));
  }
  SUBCASE("the current folder") {
    fs::create_directory(run);
    const Inside inside(run);
    SUBCASE("by its short name") {
      moves_inside(".");
    }
    SUBCASE("by its path") {
      moves_inside(run);
    }
  }
  SUBCASE("a mount point") {
    fs::create_directory(run);
    if (::mount("none", run.c_str(), "tmpfs", 0, "size=1m") != 0) return;  // takes root
    moves_inside(run);
    CHECK(::umount(run.c_str()) == 0);
  }
  SUBCASE("in a folder that may not be written to") {
    fs::create_directory(run);
    fs::permissions(run, fs::perms::all);
    fs::permissions(folder.path(), static_cast<fs::perms>(0555));
    {
      const testing::AsNobody nobody;
      moves_inside(run);
    }
    fs::permissions(folder.path(), fs::perms::owner_all);
  }
}

TEST_CASE("a run in a subfolder keeps its place") {
  const TemporaryFolder folder;
  leave_run(folder.path());
  const RunFolder below(folder.path() / "b", EarlierRun::move);
  touch(folder.path() / "b" / "args.json");
  const RunFolder above(folder.path(), EarlierRun::move);
  CHECK(above.moved() == folder.path() / "previous-1");
  CHECK(holds_run(folder.path() / "previous-1"));
  CHECK(fs::exists(folder.path() / "b" / "args.json"));
}

TEST_CASE("an earlier run can be removed, and nothing else with it") {
  const TemporaryFolder folder;
  leave_run(folder.path());
  touch(folder.path() / "notes.txt");
  fs::create_directory(folder.path() / "b");
  const RunFolder run(folder.path(), EarlierRun::remove);
  CHECK_FALSE(run.moved());
  CHECK(run_files(folder.path()).empty());
  CHECK(fs::exists(folder.path() / "notes.txt"));
  CHECK(fs::exists(folder.path() / "b"));
}

TEST_CASE("a run that goes on keeps its files, but for leftovers of killed processes") {
  const TemporaryFolder folder;
  leave_run(folder.path());
  touch(folder.path() / ".last.safetensors.tmp-99999999-3");  // above any process number
  const RunFolder run(folder.path(), EarlierRun::keep);
  CHECK_FALSE(run.moved());
  CHECK(holds_run(folder.path()));
  CHECK_FALSE(fs::exists(folder.path() / ".last.safetensors.tmp-99999999-3"));
}

TEST_CASE("a folder belongs to one run at a time") {
  const TemporaryFolder folder;
  leave_run(folder.path());
  const std::string message = "output: " + folder.path().string() +
                              ": expected a folder for this run alone, got one that another "
                              "process writes to";
  {
    const RunFolder run(folder.path(), EarlierRun::keep);
    for (const EarlierRun earlier : {EarlierRun::keep, EarlierRun::move, EarlierRun::remove}) {
      CHECK_THROWS_WITH_AS(RunFolder(folder.path(), earlier), message.c_str(), IoError);
    }
    CHECK(holds_run(folder.path()));
  }
  CHECK_NOTHROW(RunFolder(folder.path(), EarlierRun::keep));
}

TEST_CASE("a folder that cannot be made is an error") {
  const TemporaryFolder folder;
  touch(folder.path() / "file");
  CHECK_THROWS_WITH_AS(RunFolder(folder.path() / "file", EarlierRun::move),
                       doctest::Contains("expected a folder that can be created, got: "), IoError);
  CHECK_THROWS_AS(RunFolder("/dev/null/run", EarlierRun::move), IoError);
  CHECK_THROWS_AS(RunFolder("/dev/null/run", EarlierRun::keep), IoError);
}
