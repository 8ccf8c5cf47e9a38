#include "train/dist/ordered_sum.h"

#include <doctest/doctest.h>

#include <rapidcheck.h>

#include "core/random.h"
#include "tests/train/dist/thread_ranks.h"

using namespace resgrad;

namespace {

// Values of a shard that no order of addition leaves alone.
std::vector<float> values_of(std::int64_t shard, std::int64_t n, int round) {
  Random random(7, Purpose::test, static_cast<std::uint32_t>(round),
                static_cast<std::uint64_t>(shard));
  std::vector<float> values;
  for (std::int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(random.normal()));
  return values;
}

void add(std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
}

ShardSum<std::vector<float>> sum_of(ShardRange shards, std::int64_t n, int round) {
  ShardSum<std::vector<float>> sum;
  for (std::int64_t s = shards.begin; s < shards.end; ++s) {
    sum.take({s, s + 1}, values_of(s, n, round), add);
  }
  return sum;
}

}  // namespace

TEST_CASE("the sum over ranks is the tree over shards, bit by bit, update after update") {
  CHECK(rc::check([] {
    const auto shards = *rc::gen::inRange<std::int64_t>(1, 12);
    const auto ranks = *rc::gen::inRange(1, static_cast<int>(shards) + 1);
    const auto n = *rc::gen::inRange<std::int64_t>(1, 40);  // also below the number of ranks
    const auto cut = *rc::gen::inRange<std::int64_t>(0, n + 1);
    ThreadRanks::run(ranks, [&](Communicator& comm) {
      OrderedSum sum(comm, shards, n, DType::float32);
      for (int round = 0; round < 2; ++round) {
        std::size_t number = 0;
        auto own = sum_of(shards_of(shards, comm.rank(), ranks), n, round);
        for (const auto& block : own.blocks()) {
          // in two pieces, as parameters share a bucket
          const Tensor values = Tensor::from(block.second, {n});
          sum.put(number, 0, values.narrow(0, cut));
          sum.put(number++, cut, values.narrow(cut, n));
        }
        RC_ASSERT(!sum.started());
        sum.start();
        while (!sum.done()) sum.advance(true);
        RC_ASSERT(sum.take().to_vector<float>() == sum_of({0, shards}, n, round).total(add));
      }
    });
  }));
}

TEST_CASE("a sum does not begin its second transfer before the one before it") {
  ThreadRanks::run(2, [](Communicator& comm) {
    OrderedSum sum(comm, 2, 8, DType::float64);
    sum.put(0, 0, Tensor::ones({8}, DType::float64));
    sum.start();
    comm.all("");  // both have sent
    for (int i = 0; i < 3; ++i) sum.advance(false);
    CHECK_FALSE(sum.collecting());
    while (!sum.done()) sum.advance(true);
    CHECK(sum.take().to_vector<double>() == std::vector<double>(8, 2.0));
  });
}
