#include "train/log/logging.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "core/check.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;

TEST_CASE("the log file gets every message at once, and appends") {
  const TemporaryFolder folder;
  const auto read = [&] {
    std::ostringstream text;
    text << std::ifstream(folder.path() / "train.log").rdbuf();
    return text.str();
  };
  make_run_logger(folder.path(), true)->info("first {}", 1);
  make_run_logger(folder.path(), true)->warn("second");
  const std::string text = read();
  CHECK(text.find(" info first 1\n") != std::string::npos);
  CHECK(text.find(" warning second\n") != std::string::npos);
}

TEST_CASE("before_line comes before each message on the console, and on no other") {
  const TemporaryFolder folder;
  int calls = 0;
  const auto count = [&calls] { ++calls; };
  make_run_logger(folder.path(), true, count)->info("to the file alone");
  CHECK(calls == 0);
  const auto log = make_run_logger(folder.path(), false, count);
  log->info("a message on the console, which is part of the test");
  log->debug("below the level that is shown");
  CHECK(calls == 1);
}

TEST_CASE("a log that cannot be opened is an error that names the file") {
  try {
    make_run_logger("/dev/null/folder", true);
    FAIL("expected an error");
  } catch (const IoError& error) {
    CHECK(std::string(error.what()).find("log: /dev/null/folder/train.log: expected a file") == 0);
  }
}
