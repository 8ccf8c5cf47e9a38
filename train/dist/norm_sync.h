// Batch norms over the shards of all ranks.
#pragma once

#include "core/ops/batch_norm_sync.h"
#include "train/dist/communicator.h"

namespace resgrad {

/// The sums of batch norms over the ranks, each with one shard, in the tree of ShardSum.
class NormSync final : public BatchNormSync {
 public:
  /// `ranks` must outlive it.
  explicit NormSync(Communicator& ranks) : ranks_(ranks) {}
  void sum(std::span<double> values) override;

 private:
  Communicator& ranks_;
};

}  // namespace resgrad
