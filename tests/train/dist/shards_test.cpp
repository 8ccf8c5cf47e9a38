#include "train/dist/shards.h"

#include <doctest/doctest.h>

#include <rapidcheck.h>

#include <string>

using namespace resgrad;

namespace {

void add(std::string& a, const std::string& b) {
  a = "(" + a + "+" + b + ")";
}

std::string tree_of(std::int64_t shards) {
  ShardSum<std::string> sum;
  for (std::int64_t s = 0; s < shards; ++s) sum.take({s, s + 1}, std::to_string(s), add);
  return sum.total(add);
}

// The same by ranks: each adds up its blocks, and somebody those of all.
std::string tree_of(std::int64_t shards, int ranks) {
  ShardSum<std::string> all;
  for (int r = 0; r < ranks; ++r) {
    const ShardRange own = shards_of(shards, r, ranks);
    ShardSum<std::string> sum;
    for (std::int64_t s = own.begin; s < own.end; ++s) {
      sum.take({s, s + 1}, std::to_string(s), add);
    }
    std::vector<ShardRange> ranges;
    for (auto& [range, text] : sum.blocks()) {
      ranges.push_back(range);
      all.take(range, text, add);
    }
    RC_ASSERT(ranges == blocks_of(own));
  }
  return all.total(add);
}

}  // namespace

TEST_CASE("the tree depends on the number of shards") {
  CHECK(tree_of(1) == "0");
  CHECK(tree_of(2) == "(0+1)");
  CHECK(tree_of(3) == "((0+1)+2)");
  CHECK(tree_of(4) == "((0+1)+(2+3))");
  CHECK(tree_of(7) == "(((0+1)+(2+3))+((4+5)+6))");
}

TEST_CASE("any number of ranks adds up the same tree") {
  CHECK(rc::check([] {
    const auto shards = *rc::gen::inRange<std::int64_t>(1, 70);
    const auto ranks = *rc::gen::inRange(1, static_cast<int>(shards) + 1);
    RC_ASSERT(tree_of(shards, ranks) == tree_of(shards));
  }));
}

TEST_CASE("ranks share the shards out evenly, each once") {
  CHECK(rc::check([] {
    const auto shards = *rc::gen::inRange<std::int64_t>(1, 200);
    const auto ranks = *rc::gen::inRange(1, static_cast<int>(shards) + 1);
    std::int64_t next = 0;
    for (int r = 0; r < ranks; ++r) {
      const ShardRange own = shards_of(shards, r, ranks);
      RC_ASSERT(own.begin == next);
      RC_ASSERT((own.size() == shards / ranks || own.size() == shards / ranks + 1));
      next = own.end;
    }
    RC_ASSERT(next == shards);
  }));
}

TEST_CASE("a rank keeps no more blocks than the logarithm of its shards") {
  CHECK(blocks_of({0, 8}) == std::vector<ShardRange>{{0, 8}});
  CHECK(blocks_of({3, 8}) == std::vector<ShardRange>{{3, 4}, {4, 8}});
  CHECK(blocks_of({1, 7}).size() == 4);
}
