#include "data/loader.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/data/fake_dataset.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

struct Epoch {
  std::vector<float> images;
  std::vector<std::int64_t> labels, indices, sizes;
  bool operator==(const Epoch&) const = default;
};

Epoch rest_of(Loader& loader) {
  Epoch all;
  while (const auto batch = loader.next()) {
    const float* images = batch->images.data<float>();
    all.images.insert(all.images.end(), images, images + batch->images.numel());
    for (const auto label : batch->labels.to_vector<std::int64_t>()) all.labels.push_back(label);
    all.indices.insert(all.indices.end(), batch->indices.begin(), batch->indices.end());
    all.sizes.push_back(batch->images.dim(0));
  }
  return all;
}

LoaderOptions options_for(int workers) {
  return {.batch_size = 8,
          .shuffle = true,
          .augment = AugmentOptions{.cutout = 4},
          .seed = 5,
          .workers = workers};
}

const auto kData = std::make_shared<const Dataset>(fake_dataset(50, 8, 8));

}  // namespace

TEST_CASE("batches are the same bits for any number of workers") {
  Loader reference(kData, options_for(0));
  reference.start_epoch(3);
  const Epoch expected = rest_of(reference);
  for (int workers : {1, 2, 5}) {
    Loader loader(kData, options_for(workers));
    loader.start_epoch(3);
    CAPTURE(workers);
    CHECK(rest_of(loader) == expected);
  }
}

TEST_CASE("every image comes once an epoch, with its label, in an order that changes") {
  Loader loader(kData, options_for(2));
  loader.start_epoch(0);
  const Epoch first = rest_of(loader);
  loader.start_epoch(1);
  const Epoch second = rest_of(loader);
  CHECK(first.indices != second.indices);
  CHECK(first.sizes == std::vector<std::int64_t>{8, 8, 8, 8, 8, 8, 2});
  for (std::size_t i = 0; i < first.indices.size(); ++i) {
    CHECK(first.labels[i] == first.indices[i] % 10);
  }
  auto sorted = first.indices;
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    CHECK(sorted[i] == static_cast<std::int64_t>(i));
  }
}

TEST_CASE("an image is augmented anew in each epoch, whatever its place in the order") {
  LoaderOptions options = options_for(0);
  options.shuffle = false;
  Loader in_order(kData, options), shuffled(kData, options_for(0));
  in_order.start_epoch(2);
  shuffled.start_epoch(2);
  const Epoch a = rest_of(in_order), b = rest_of(shuffled);
  const std::ptrdiff_t image = 3 * 8 * 8;
  for (std::ptrdiff_t i = 0; i < 50; ++i) {
    const std::int64_t index = b.indices[static_cast<std::size_t>(i)];
    CHECK(std::equal(b.images.begin() + i * image, b.images.begin() + (i + 1) * image,
                     a.images.begin() + index * image));
  }
  in_order.start_epoch(3);
  CHECK(rest_of(in_order).images != a.images);
}

TEST_CASE("an epoch that starts in the middle is the tail of the whole one") {
  for (int workers : {0, 2}) {
    Loader loader(kData, options_for(workers));
    loader.start_epoch(4);
    const Epoch whole = rest_of(loader);
    loader.start_epoch(4, 5);
    const Epoch tail = rest_of(loader);
    CHECK(tail.indices == std::vector(whole.indices.begin() + 40, whole.indices.end()));
    CHECK(std::equal(tail.images.begin(), tail.images.end(),
                     whole.images.end() - std::ssize(tail.images)));
  }
}

TEST_CASE("a loader can be restarted and destroyed in mid-epoch") {
  for (int round = 0; round < 50; ++round) {
    Loader loader(kData, options_for(round % 3));
    for (int epoch = 0; epoch < 4; ++epoch) {
      loader.start_epoch(epoch);
      for (int i = 0; i < round % 4; ++i) CHECK(loader.next().has_value());
    }
    loader.start_epoch(9);
    CHECK(rest_of(loader).indices.size() == 50);
    CHECK_FALSE(loader.next().has_value());
    loader.start_epoch(10);
  }
}

TEST_CASE("drop_last leaves out the smaller batch") {
  LoaderOptions options = options_for(1);
  options.drop_last = true;
  Loader loader(kData, options);
  CHECK(loader.batches() == 6);
  loader.start_epoch(0);
  CHECK(rest_of(loader).indices.size() == 48);
}

TEST_CASE("images are channels_last float32 with the logical shape") {
  Loader loader(kData, options_for(1));
  CHECK_FALSE(loader.next().has_value());  // no epoch was started
  loader.start_epoch(0);
  const auto batch = loader.next();
  CHECK(batch->images.shape() == Shape{8, 3, 8, 8});
  CHECK(batch->images.memory_format() == MemoryFormat::channels_last);
  CHECK(batch->labels.dtype() == DType::int64);
  CHECK(loader.wait_seconds() > 0);
}

TEST_CASE("a loader rejects options out of range") {
  CHECK_THROWS_AS(Loader(std::make_shared<const Dataset>(), {}), ValueError);
  CHECK_THROWS_AS(Loader(kData, {.batch_size = 0}), ValueError);
  CHECK_THROWS_AS(Loader(kData, {.workers = -1}), ValueError);
  Loader loader(kData, options_for(1));
  CHECK_THROWS_WITH_AS(loader.start_epoch(0, 8), "loader: first_batch: expected 0 to 7, got 8",
                       ValueError);
}
