#include "train/dist/shards.h"

#include "core/check.h"

namespace resgrad {

ShardRange shards_of(std::int64_t shards, int rank, int ranks) {
  require<ValueError>(shards >= ranks,
                      "train: shards of an update: expected at least {}, one for each rank, got {}",
                      ranks, shards);
  return {shards * rank / ranks, shards * (rank + 1) / ranks};
}

std::vector<ShardRange> blocks_of(ShardRange range) {
  struct Nothing {};
  ShardSum<Nothing> sum;
  for (std::int64_t shard = range.begin; shard < range.end; ++shard) {
    sum.take({shard, shard + 1}, {}, [](Nothing&, Nothing) {});
  }
  std::vector<ShardRange> blocks;
  for (const auto& block : sum.blocks()) blocks.push_back(block.first);
  return blocks;
}

}  // namespace resgrad
