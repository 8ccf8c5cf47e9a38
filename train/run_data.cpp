#include "train/run_data.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "core/check.h"
#include "core/crc32.h"
#include "train/dist/shards.h"

namespace resgrad {
namespace {

std::int64_t batches_per_update(const RunOptions& o) {
  require<ValueError>(o.accumulate >= 1, "train: accumulate: expected at least 1, got {}",
                      o.accumulate);
  return o.accumulate;
}

std::int64_t shards_per_batch(const RunOptions& o) {
  return std::max<std::int64_t>(1, o.shards);
}

}  // namespace

data::LoadOptions load_options(const RunOptions& o, const std::string& path) {
  return {.name = o.dataset,
          .path = path,
          .val_split = o.val_split,
          .split_seed = o.seed,
          .folder = {.image_size = o.image_size,
                     .skip_damaged = o.skip_damaged,
                     .exif_transpose = !o.no_exif_transpose,
                     .write_cache = !o.dry_run}};
}

std::string describe(const data::DataSplits& data) {
  std::uint32_t sum = 0;
  for (const auto& set : {data.train, data.test}) {
    sum = crc32(std::as_bytes(std::span(set->images)), sum);
    sum = crc32(std::as_bytes(std::span(set->labels)), sum);
  }
  return fmt::format("{} and {} images with CRC-32 {:08x}", data.train->size(), data.test->size(),
                     sum);
}

data::LoaderOptions eval_loader_options(const data::DataSplits& data, const RunOptions& o,
                                        const Communicator& ranks) {
  return {.batch_size = o.batch_size,
          .turns = {.of = ranks.size(), .begin = ranks.rank(), .end = ranks.rank() + 1},
          .normalisation = data.normalisation,
          .seed = o.seed,
          .workers = o.workers};
}

data::LoaderOptions train_loader_options(const data::DataSplits& data, const RunOptions& o,
                                         const Communicator& ranks) {
  data::LoaderOptions options = eval_loader_options(data, o);
  const ShardRange own = shards_of(shards_per_update(o), ranks.rank(), ranks.size());
  options.shards = shards_per_batch(o);
  options.turns = {.of = shards_per_update(o), .begin = own.begin, .end = own.end};
  options.shuffle = !o.overfit_batch;
  // a last batch of one image could not be normalised, and steps of one size are comparable
  options.drop_last = !o.overfit_batch || o.accumulate > 1;
  if (o.overfit_batch) return options;
  options.augment = {.pad = o.pad,
                     .pad_mode = parse_in(data::kPadModeNames, "pad_mode", o.pad_mode),
                     .flip = parse_in(data::kFlipNames, "flip", o.flip),
                     .policy = parse_in(data::kPolicyNames, "augment", o.augment),
                     .cutout = o.cutout,
                     .random_erasing = o.random_erasing};
  if (o.no_augment) {
    options.augment->pad = 0;
    options.augment->flip = data::Flip::none;
    options.augment->policy = data::Policy::plain;
  }
  options.mix = {.mixup = o.mixup, .cutmix = o.cutmix};
  return options;
}

data::DataSplits first_update_only(const data::DataSplits& data, const RunOptions& o) {
  const double images = static_cast<double>(o.batch_size) * static_cast<double>(o.accumulate);
  std::vector<std::int64_t> first(
      static_cast<std::size_t>(std::clamp(images, 0.0, static_cast<double>(data.train->size()))));
  std::iota(first.begin(), first.end(), std::int64_t{0});
  data::DataSplits batch = data;
  batch.train = std::make_shared<const data::Dataset>(data::subset(*data.train, first));
  batch.test = batch.train;
  batch.test_name = "training batch";
  return batch;
}

std::int64_t shards_per_update(const RunOptions& o) {
  return batches_per_update(o) * shards_per_batch(o);
}

std::int64_t images_per_update(std::int64_t images, const RunOptions& o) {
  return batches_per_update(o) * std::min(o.batch_size, images);
}

std::int64_t updates_per_epoch(std::int64_t batches, std::int64_t images, const RunOptions& o) {
  const std::int64_t needed = batches_per_update(o);
  require<ValueError>(batches >= needed,
                      "train: batch size: expected at most the {} training images, got {}", images,
                      o.accumulate == 1
                          ? fmt::format("{}", o.batch_size)
                          : fmt::format("{} times {} to accumulate", o.batch_size, o.accumulate));
  const std::int64_t used =
      o.limit_train_batches > 0 ? std::min(batches, o.limit_train_batches) : batches;
  require<ValueError>(used >= needed,
                      "train: limit_train_batches: expected at least the {} batches of an update, "
                      "got {}",
                      o.accumulate, o.limit_train_batches);
  return used / needed;
}

RunLength run_length(std::int64_t batches, std::int64_t images, const RunOptions& o) {
  require<ValueError>(o.eval_every >= 1, "train: eval_every: expected at least 1, got {}",
                      o.eval_every);
  RunLength length{.epochs = o.epochs,
                   .steps_per_epoch = updates_per_epoch(batches, images, o),
                   .eval_every = o.eval_every};
  length.total_steps = o.epochs * length.steps_per_epoch;
  if (o.max_steps > 0) length.total_steps = std::min(length.total_steps, o.max_steps);
  return length;
}

}  // namespace resgrad
