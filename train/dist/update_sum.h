// The sum of an update over its shards: of gradients, of what batch norms learn of their inputs,
// and of numbers such as the loss.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/autograd/observer.h"
#include "nn/module.h"
#include "train/dist/communicator.h"
#include "train/dist/gradient_exchange.h"
#include "train/dist/shards.h"

namespace resgrad {

/// Of every update, with the ranks of a communicator:
///   for (shard = sum.own().begin; shard < sum.own().end; ++shard) {
///     sum.begin_shard(shard);
///     const UpdateSum::Progress progress(sum);  // with more than one rank
///     ... forward, backward by a loss that has the weight `share` in that of the update
///     sum.end_shard(share, numbers);
///   }
///   numbers = sum.finish();
/// Then each parameter has the sum of the gradients of all shards, each floating buffer has changed
/// by the sum of share * (its change in a shard), and the numbers are sums, all in the tree of
/// ShardSum: the same bits for any number of ranks. A shard begins with the buffers that the update
/// began with; integer buffers, which all shards leave the same, are those of the last. With one
/// shard nothing is done.
/// Between ranks the gradients travel while the last shard of this rank is still in backward.
/// Differs  from PyTorch's DistributedDataParallel, which averages what its ranks have, in the order
///          of their all-reduce.
class UpdateSum {
 public:
  /// `numbers` are summed up beside. `net` and `communicator` must outlive it.
  /// Throws  ValueError when there are fewer shards than ranks.
  UpdateSum(const Module& net, std::int64_t shards, std::int64_t numbers,
            Communicator& communicator);
  ~UpdateSum();
  UpdateSum(const UpdateSum&) = delete;
  UpdateSum& operator=(const UpdateSum&) = delete;

  /// Between ranks: lets gradients travel on at the end of every piece of work of forward and
  /// backward.
  class Progress final : WorkObserver {
   public:
    explicit Progress(UpdateSum& sum) : exchange_(sum.exchange_.value()) {}

   private:
    void done(const Work& work [[maybe_unused]]) override { exchange_.progress(); }
    GradientExchange& exchange_;
  };

  /// The shards of this rank.
  ShardRange own() const { return own_; }

  /// Drops the gradients of the shard before.
  void begin_shard(std::int64_t shard);
  void end_shard(double share, std::vector<double> numbers);
  /// Throws  StateError, at all ranks, when a parameter has gradients from some of the shards
  ///         alone, or two from one, which can be told with several ranks only.
  std::vector<double> finish();

 private:
  struct Parameter {
    std::string name;
    Tensor tensor;
    ShardSum<Tensor> sum = {};
    std::int64_t shards = 0;  // taken into `sum`
    HookHandle hook = {};
  };

  void send_early();
  void take_gradient(Parameter& parameter, const Tensor& gradient);
  Tensor changes(double share, const std::vector<double>& numbers) const;
  void apply_changes(const double* from);

  std::int64_t shards_;
  ShardRange own_;
  std::int64_t shard_ = 0;
  std::vector<Parameter> parameters_;       // that are trained
  std::vector<Tensor> buffers_, at_start_;  // and their values before the update
  ShardSum<Tensor> changes_;                // numbers, gradients, then floating buffers
  std::vector<double> numbers_;             // of the last shard
  std::optional<GradientExchange> exchange_;
};

}  // namespace resgrad
