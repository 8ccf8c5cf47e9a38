#include "train/io/event_file.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <regex>

#include "core/check.h"
#include "tests/support/event_reader.h"
#include "tests/support/files.h"

namespace resgrad {
namespace {

using testing::Event;
using testing::read_events;
using testing::read_text;
using testing::TemporaryFolder;

TEST_CASE("checksums agree with published values") {
  CHECK_EQ(crc32c(std::string(32, '\0')), 0x8a9136aa);
  CHECK_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43);
  CHECK_EQ(crc32c("123456789"), 0xe3069283);
  CHECK_EQ(crc32c(""), 0);
  CHECK_EQ(masked_crc32c("\x1a\x11"
                         "CRC test, one two"),
           0x5794d08a);
}

TEST_CASE("the name says time, host, process and count") {
  const TemporaryFolder folder;
  const EventFile first(folder.path()), second(folder.path());
  std::array<char, 256> host{};
  REQUIRE_EQ(::gethostname(host.data(), host.size() - 1), 0);
  const std::string name = first.path().filename().string();
  CHECK(std::regex_match(name, std::regex(R"(events\.out\.tfevents\.\d{10}\..+\.\d+\.\d+)")));
  CHECK_NE(name.find("." + std::string(host.data()) + "." + std::to_string(::getpid()) + "."),
           name.npos);
  CHECK_NE(first.path(), second.path());
}

TEST_CASE("an independent reader finds what was written") {
  const TemporaryFolder folder;
  EventFile file(folder.path());
  file.append(3, {{"train/loss", 1.0 / 3}, {"train/top1", 56.78}});
  file.append(1LL << 40, {{std::string(300, 'x'), -1e-30}});
  const std::vector<Event> events = read_events(read_text(file.path()));
  REQUIRE_EQ(events.size(), 3);
  CHECK_EQ(events[0].step, 0);
  CHECK(events[0].scalars.empty());
  CHECK_EQ(events[1].step, 3);
  CHECK_EQ(events[1].scalars,
           std::map<std::string, float>{{"train/loss", 1.F / 3}, {"train/top1", 56.78F}});
  CHECK_EQ(events[2].step, 1LL << 40);
  CHECK_EQ(events[2].scalars, std::map<std::string, float>{{std::string(300, 'x'), -1e-30F}});
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  for (const Event& event : events) {
    CHECK_LE(event.wall_time, now);
    CHECK_GE(event.wall_time, now - 3600);
    CHECK_FALSE(event.session_start);
  }
}

TEST_CASE("a continued run says where its session starts") {
  const TemporaryFolder folder;
  EventFile file(folder.path(), 51);
  file.append(51, {{"a", 1}});
  const std::vector<Event> events = read_events(read_text(file.path()));
  REQUIRE_EQ(events.size(), 3);
  CHECK(events[1].session_start);
  CHECK_EQ(events[1].step, 51);
  CHECK_FALSE(events[2].session_start);
}

TEST_CASE("a folder that is missing is an error that names the file") {
  CHECK_THROWS_WITH_AS(EventFile("/dev/null/folder"),
                       doctest::Contains("events: /dev/null/folder/"), IoError);
}

}  // namespace
}  // namespace resgrad
