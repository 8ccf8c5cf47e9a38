// What the settings of a run say of its data: how they are loaded, and how many make an epoch.
#pragma once

#include "data/datasets.h"
#include "data/loader.h"
#include "train/dist/communicator.h"
#include "train/log/recorders.h"
#include "train/run_options.h"

namespace resgrad {

/// The data of the run, which lie in the folder `path`.
data::LoadOptions load_options(const RunOptions& options, const std::string& path);

/// What tells data from others: how many images, and their CRC-32 with that of the labels.
std::string describe(const data::DataSplits& data);

/// Of the images that are evaluated. Of several ranks each takes a batch in turn.
data::LoaderOptions eval_loader_options(const data::DataSplits& data, const RunOptions& options,
                                        const Communicator& ranks = Communicator::alone());

/// Of the images that are trained on: shuffled, augmented and mixed, batches of one size, in
/// shards, of which a rank takes its own. With overfit_batch they stay as and where they are.
data::LoaderOptions train_loader_options(const data::DataSplits& data, const RunOptions& options,
                                         const Communicator& ranks = Communicator::alone());

/// Shards of an update: those of the batches that are accumulated.
/// Throws  ValueError when accumulate is below 1.
std::int64_t shards_per_update(const RunOptions& options);

/// Images of an update on so many training images.
std::int64_t images_per_update(std::int64_t images, const RunOptions& options);

/// For overfit_batch: the images of the first update, to be learnt by heart, as training and test
/// set.
data::DataSplits first_update_only(const data::DataSplits& data, const RunOptions& options);

/// Updates of an epoch with so many batches and images. Batches at its end that do not make an
/// update are left out.
/// Throws  ValueError when there is not one, or as shards_per_update().
std::int64_t updates_per_epoch(std::int64_t batches, std::int64_t images,
                               const RunOptions& options);

/// The length of a run whose epochs have so many batches and images.
/// Throws  ValueError as updates_per_epoch(), and when eval_every is below 1.
RunLength run_length(std::int64_t batches, std::int64_t images, const RunOptions& options);

}  // namespace resgrad
