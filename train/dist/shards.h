// The shards of an update: which of them a rank computes, and in which tree their results are
// added.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace resgrad {

/// Shards in a row.
struct ShardRange {
  std::int64_t begin = 0, end = 1;
  std::int64_t size() const { return end - begin; }
  bool operator==(const ShardRange&) const = default;
};

/// Those of `shards` in all that one of `ranks` computes: [shards * rank / ranks,
/// shards * (rank + 1) / ranks).
/// Throws  ValueError when there are fewer shards than ranks.
ShardRange shards_of(std::int64_t shards, int rank, int ranks);

/// The largest parts of `range` that are nodes of the tree, in their order: what a rank can add up
/// by itself.
std::vector<ShardRange> blocks_of(ShardRange range);

/// The sum over shards 0, 1, 2, ... of their values, whoever computes them, in a tree that depends
/// on their numbers alone: sums of 2^k shards from a multiple of 2^(k+1) on take in the 2^k behind
/// them, and in the end what is left is added from the last to the first. It needs no more room
/// than the logarithm of the number of shards.
template <class T>
class ShardSum {
 public:
  /// Takes in the value of a shard, or the sum of a block of blocks_of(), behind those before.
  /// add(a, b) makes `a` their sum.
  template <class Add>
  void take(ShardRange block, T value, Add&& add) {
    while (!blocks_.empty() && joins(blocks_.back().first, block)) {
      block.begin = blocks_.back().first.begin;
      add(blocks_.back().second, value);
      value = std::move(blocks_.back().second);
      blocks_.pop_back();
    }
    blocks_.emplace_back(block, std::move(value));
  }

  /// What is taken in so far, as blocks_of() the shards so far.
  std::vector<std::pair<ShardRange, T>>& blocks() { return blocks_; }
  bool empty() const { return blocks_.empty(); }
  void clear() { blocks_.clear(); }

  /// The sum of all, which is empty then.
  template <class Add>
  T total(Add&& add) {
    while (blocks_.size() > 1) {
      T last = std::move(blocks_.back().second);
      blocks_.pop_back();
      add(blocks_.back().second, last);
    }
    T sum = std::move(blocks_.back().second);
    blocks_.clear();
    return sum;
  }

 private:
  static bool joins(ShardRange left, ShardRange right) {
    return left.size() == right.size() && left.begin % (2 * left.size()) == 0;
  }

  std::vector<std::pair<ShardRange, T>> blocks_;
};

}  // namespace resgrad
