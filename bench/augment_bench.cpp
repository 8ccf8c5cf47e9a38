// Images per second of the loader on one core: drawing the augmentation, crop, flip, normalisation.
#include <numeric>

#include "bench/bench.h"
#include "data/loader.h"
#include "data/synthetic.h"

namespace resgrad::bench {
namespace {

constexpr std::int64_t kImages = 1280;

// The whole loader, in the thread that asks for the batches.
void epoch(benchmark::State& state, const data::AugmentOptions& augment) {
  const auto dataset =
      std::make_shared<const data::Dataset>(data::make_synthetic(data::Split::train, kImages, 1));
  data::Loader loader(dataset, {.batch_size = 128,
                                .shuffle = true,
                                .augment = augment,
                                .normalisation = data::normalisation("synthetic"),
                                .workers = 0});
  std::int64_t number = 0;
  measure(state, {.images = kImages}, [&] {
    loader.start_epoch(number++);
    while (loader.next()) {
    }
  });
}

}  // namespace

void add_augment() {
  add("loader/crop_flip", [](benchmark::State& state) { epoch(state, {}); });
  add("loader/reflect_alternating", [](benchmark::State& state) {
    epoch(state, {.pad = 2, .pad_mode = data::PadMode::reflect, .flip = data::Flip::alternating});
  });
  add("loader/crop_flip_cutout", [](benchmark::State& state) { epoch(state, {.cutout = 8}); });
}

}  // namespace resgrad::bench
