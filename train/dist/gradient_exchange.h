// The gradients of an update between ranks: buckets of them, each sent as soon as it is full.
#pragma once

#include <deque>
#include <vector>

#include "core/tensor.h"
#include "train/dist/communicator.h"
#include "train/dist/ordered_sum.h"
#include "train/dist/shards.h"

namespace resgrad {

/// Adds up, over the ranks, gradients of parameters and a vector of numbers. Parameters share
/// buckets of about 4 MB, or a quarter of all bytes if that is less, from the last to the first, as
/// backward mostly completes them.
class GradientExchange {
 public:
  /// `extra`: how many numbers come beside. `communicator` must outlive it.
  GradientExchange(Communicator& communicator, std::int64_t shards, std::vector<Tensor> parameters,
                   std::int64_t extra);

  /// Gives the blocks of this rank of the gradient of the i-th parameter away, once an update.
  void put(std::size_t i, ShardSum<Tensor>& gradient);
  /// Takes transfers as far as they can go without waiting. MPI does nothing between calls, so a
  /// network is kept busy only if this is called more often than the buffers of its sockets empty.
  void progress();
  /// Ends an update: gives the float64 numbers away and waits for all. Returns their sums; then
  /// parameters that were put have theirs as gradients, until the next put().
  Tensor finish(ShardSum<Tensor>& extra);

 private:
  struct Parameter {
    Tensor tensor;
    std::size_t bucket = 0;
    std::int64_t offset = 0;  // in the bucket
    bool given = false;
  };
  struct Bucket {
    std::int64_t values = 0, parameters = 0, missing = 0;
  };

  void put_blocks(OrderedSum& sum, std::int64_t offset, ShardSum<Tensor>& values);
  void start_full_buckets();
  void set_gradients();

  std::vector<Parameter> parameters_;
  std::vector<Bucket> buckets_;
  std::deque<OrderedSum> sums_;  // those of the buckets, then that of the extra numbers
  std::size_t started_ = 0;      // of them, in their order
};

}  // namespace resgrad
