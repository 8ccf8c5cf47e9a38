// The loader: batches of a data set, prepared ahead by worker threads.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/tensor.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/mix.h"
#include "data/normalise.h"

namespace resgrad::data {

struct Batch {
  Tensor images;                      ///< float32 [n, 3, h, w], channels_last, normalised
  Tensor labels;                      ///< int64 [n]
  std::vector<std::int64_t> indices;  ///< of the images in the data set
  /// Of mixed images: int64 [n], the second labels, and the share of the first (data/mix.h).
  Tensor second_labels = {};
  double share = 1;
};

/// More workers than this are not started.
constexpr int kMostWorkers = 64;

/// Of every `of` shards in a row those in [begin, end): the work of one process of several.
struct Turns {
  std::int64_t of = 1, begin = 0, end = 1;
};

struct LoaderOptions {
  std::int64_t batch_size = 128;
  bool shuffle = false;
  bool drop_last = false;  ///< leave out a last batch that is smaller
  /// Parts of a batch that are given one by one, mixed apart: shard s of S has images
  /// [n * s / S, n * (s + 1) / S) of the n. Shards are numbered through the epoch.
  std::int64_t shards = 1;
  Turns turns = {};  ///< the shards that are given; others are not prepared
  std::optional<AugmentOptions> augment = {};
  MixOptions mix = {};
  Normalisation normalisation = {};
  std::uint64_t seed = 0;
  int workers = 1;   ///< threads that prepare batches; 0: next() does it itself
  int prefetch = 2;  ///< batches ahead per worker
};

/// Gives the batches of one epoch after the other, or their shards, to one thread at a time. Order
/// and augmentation depend on (seed, epoch, index of the image) alone, mixing on (seed, epoch,
/// number of the shard): batches are the same bits for any number of workers, and for whoever's
/// turn it is.
class Loader {
 public:
  /// Throws  ValueError for options out of range, an empty data set, one whose pixels are not as
  ///         many as its labels ask for, or a batch with fewer images than shards; IoError when the
  ///         system starts no thread for a worker.
  Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Whole batches of an epoch, whoever's turn they are.
  std::int64_t batches() const;
  /// Starts `epoch` at its batch number `first_batch`; what was prepared before is dropped.
  /// Throws  ValueError unless epoch is in [0, 2^32) and first_batch in [0, batches()].
  void start_epoch(std::int64_t epoch, std::int64_t first_batch = 0);
  /// The next batch or shard of ours, or nothing at the end of the epoch or before the first.
  /// Rethrows what failed in a worker, in the place of the batch that failed and until the next
  /// start_epoch().
  /// Throws  ValueError for a label outside [0, num_classes).
  std::optional<Batch> next();
  /// Seconds that next() waited in this epoch: for its workers, or without them for itself.
  double wait_seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace resgrad::data
