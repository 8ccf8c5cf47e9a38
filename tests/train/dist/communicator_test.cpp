#include "train/dist/communicator.h"

#include <doctest/doctest.h>

#include <array>

#include "tests/train/dist/thread_ranks.h"

using namespace resgrad;

TEST_CASE("a process by itself is rank 0 of 1 and agrees with itself") {
  Communicator& alone = Communicator::alone();
  CHECK(alone.rank() == 0);
  CHECK(alone.size() == 1);
  CHECK(alone.leads());
  CHECK(alone.all("text") == std::vector<std::string>{"text"});
  CHECK(alone.first("text") == "text");
  CHECK(alone.max(-3) == -3);
  CHECK(alone.any(true));
  CHECK_FALSE(alone.any(false));
  std::array<double, 2> values{1, 2};
  alone.sum(values);
  CHECK(values == std::array<double, 2>{1, 2});
  const std::array<std::int64_t, 1> bytes{sizeof values};
  std::array<double, 2> received{};
  auto* const to = reinterpret_cast<std::byte*>(received.data());
  const auto* const from = reinterpret_cast<const std::byte*>(values.data());
  CHECK(alone.exchange(from, bytes, to, bytes)->done());
  CHECK(received == values);
  received = {};
  CHECK(alone.collect(from, to, bytes)->done());
  CHECK(received == values);
  alone.end_all(1);  // comes back
}

TEST_CASE("the first text that is not empty is that of the lowest rank with one") {
  ThreadRanks::run(3, [](Communicator& ranks) {
    const std::string own = ranks.rank() == 0 ? "" : "rank " + std::to_string(ranks.rank());
    CHECK(ranks.first(own) == "rank 1");
    CHECK(ranks.first("").empty());
    CHECK(ranks.any(ranks.rank() == 2));
    CHECK_FALSE(ranks.any(false));
  });
}
