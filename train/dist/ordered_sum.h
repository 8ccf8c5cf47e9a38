// The sum over the shards of an update of values that lie spread over the ranks.
#pragma once

#include <memory>
#include <vector>

#include "core/tensor.h"
#include "train/dist/communicator.h"
#include "train/dist/shards.h"

namespace resgrad {

/// y[i] = the sum over all shards of x[i], for i in [0, n), in the tree of ShardSum: the same bits
/// on any number of ranks. Each rank puts in the sums of its blocks; each adds up a part of [0, n)
/// for all and gives it to the others. So a value is sent twice, as MPI_Allreduce does, which adds
/// in an order of its own. The transfers run beside the computation and make progress in advance().
/// Shapes  x per block, y: [n], float32 or float64.
class OrderedSum {
 public:
  /// `communicator` must outlive it. All ranks make the same sums in the same order and start them
  /// in that order.
  OrderedSum(Communicator& communicator, std::int64_t shards, std::int64_t n, DType dtype);

  /// Sets values [offset, offset + x.numel()) of the block-th block of this rank, for the next
  /// start(). Those that are not set since the last take() have no meaning, nor have their sums.
  void put(std::size_t block, std::int64_t offset, const Tensor& x);
  void start();
  bool started() const { return phase_ != Phase::idle; }

  /// Takes the sum as far as it can go now without waiting, but not to its second transfer before
  /// that of the sum before it, which `before` says.
  void advance(bool before);
  /// Whether the second transfer has begun.
  bool collecting() const { return phase_ == Phase::collecting || phase_ == Phase::done; }
  bool done() const { return phase_ == Phase::done; }

  /// Of a sum that is done: y. It is valid until the next put(), for which the sum is idle again.
  const Tensor& take();

 private:
  enum class Phase { idle, exchanging, collecting, done };

  std::byte* add_blocks();  // of this rank's part of [0, n), where they arrived; returns the sum

  Communicator& communicator_;
  std::vector<std::vector<ShardRange>> blocks_;  // of each rank
  std::vector<std::int64_t> part_;               // of rank q: [part_[q], part_[q + 1])
  std::vector<std::int64_t> bytes_to_, bytes_from_, bytes_of_part_;
  Tensor sent_;      // for each rank its part of each of our blocks; then y, at the front
  Tensor received_;  // of each rank our part of each of its blocks
  Tensor y_;
  std::unique_ptr<Transfer> transfer_;
  Phase phase_ = Phase::idle;
};

}  // namespace resgrad
