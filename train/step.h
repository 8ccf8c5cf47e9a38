// One update of a network: forward, loss, backward, a guard against values that are not finite,
// clipping, the optimiser's step, averaging. It knows no folder, no schedule and no epoch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "data/loader.h"
#include "nn/loss.h"
#include "nn/module.h"
#include "train/dist/norm_sync.h"
#include "train/dist/update_sum.h"
#include "train/optim/ema.h"
#include "train/optim/optimizer.h"

namespace resgrad {

/// What becomes of an update whose loss or gradients are NaN or infinite: an error, or it is left
/// out.
enum class OnNonfinite { stop, skip };

struct TrainStepOptions {
  double label_smoothing = 0;
  double clip_grad_norm = 0;  ///< largest norm of all gradients together, 0: any
  OnNonfinite on_nonfinite = OnNonfinite::stop;
  Ema* ema = nullptr;  ///< averages the weights after each update; must outlive the TrainStep
  /// Parts of an update, each with a forward and backward pass of its own, added up as
  /// train/dist/update_sum.h says.
  std::int64_t shards = 1;
  Communicator& ranks = Communicator::alone();  ///< that share the shards out
  /// Batch norms take the statistics of all shards together (SyncBatchNorm): the update is that of
  /// one large batch, up to rounding. Shards then advance layer by layer, so each has a rank.
  bool sync_batch_norm = false;
  /// Told what the time since it was last told went to, for a profile.
  std::function<void(std::string_view)> mark = [](std::string_view) {};
};

/// What the shards of an update said, before it.
struct StepValues {
  std::int64_t images = 0;
  double loss = 0;                          ///< mean over the images
  double top1 = 0;                          ///< percent; of a mixed image, a label counts its share
  std::optional<double> grad_norm = {};     ///< before clipping, NaN when skipped; without: nothing
  std::optional<std::string> skipped = {};  ///< why there was no update
};

/// Loss or a gradient was not finite. The gradients are still there, the weights are unchanged. All
/// ranks throw it with the same message; where it was another's shard, the batch is empty.
class NonfiniteError : public StateError {
 public:
  NonfiniteError(const std::string& message, data::Batch batch)
      : StateError(message), batch_(std::move(batch)) {}
  const data::Batch& batch() const { return batch_; }

 private:
  data::Batch batch_;
};

/// Trains `net` by one update a call:
///   TrainStep step(net, optimizer);
///   while (const auto batch = loader.next()) step(*batch);
/// Learning rate and momentum are the optimiser's, as they are at the time of the call.
class TrainStep {
 public:
  /// `net` and `optimizer` must outlive it.
  /// Throws  ValueError for a clip_grad_norm that is negative or not finite, for fewer shards than
  ///         ranks, and with sync_batch_norm for more.
  TrainStep(Module& net, Optimizer& optimizer, TrainStepOptions options = {});

  /// An update of one shard by the mean loss over `batch`, in the present mode of `net`.
  /// Throws  NonfiniteError that names step, layer and tensor, with OnNonfinite::stop. With
  ///         OnNonfinite::skip weights, buffers and optimiser stay as they were instead.
  StepValues operator()(const data::Batch& batch);
  /// An update by the mean loss over so many `images`, whose shards `next` gives one by one, those
  /// of this rank: their gradients are averaged, as those of one large batch. `next` is called for
  /// all of them in any case.
  /// Throws  ValueError when the shards have other images in all; NonfiniteError as above.
  StepValues operator()(std::int64_t images, const std::function<data::Batch()>& next);

  /// Calls so far, those without an update included.
  std::int64_t steps() const { return steps_; }
  /// For training that goes on where another left off.
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  struct ShardValues {
    double loss, hits;
  };
  struct Nonfinite {
    double loss;
    std::string place;
    data::Batch batch;
  };
  ShardValues add_gradients(const data::Batch& batch, double share);
  std::string agree_on(const std::optional<Nonfinite>& bad) const;

  Module& net_;
  Optimizer& optimizer_;
  TrainStepOptions options_;
  CrossEntropyLoss loss_;
  std::vector<NamedTensor> parameters_;
  UpdateSum sum_;
  NormSync norm_sync_;
  std::int64_t steps_ = 0;
};

}  // namespace resgrad
