#include "train/dist/norm_sync.h"

#include <doctest/doctest.h>

#include <array>

#include "tests/train/dist/thread_ranks.h"

using namespace resgrad;

TEST_CASE("sums of batch norms are those of all ranks, in the tree over their shards") {
  // (1 + 1e16) + (-1e16 + 1) in the tree; from the first to the last it would be 1
  constexpr std::array kValues = {1.0, 1e16, -1e16, 1.0};
  ThreadRanks::run(4, [&](Communicator& ranks) {
    NormSync sync(ranks);
    std::array<double, 2> values{kValues[static_cast<std::size_t>(ranks.rank())], 2};
    sync.sum(values);
    CHECK(values == std::array<double, 2>{(1.0 + 1e16) + (-1e16 + 1.0), 8});
  });
}
