#include "data/loader.h"

#include <doctest/doctest.h>

#include <rapidcheck.h>

#include <algorithm>

#include "core/check.h"
#include "tests/data/fake_dataset.h"
#include "tests/support/in_child.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

struct Epoch {
  std::vector<float> images;
  std::vector<std::int64_t> labels, indices, sizes, second_labels;
  std::vector<double> shares;
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
    all.shares.push_back(batch->share);
    if (batch->second_labels.defined()) {
      const auto second = batch->second_labels.to_vector<std::int64_t>();
      all.second_labels.insert(all.second_labels.end(), second.begin(), second.end());
    }
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

TEST_CASE("batches are the same bits for any number of workers, and others for each policy") {
  std::vector<Epoch> epochs;
  for (const Policy policy : {Policy::plain, Policy::trivial, Policy::rand}) {
    const auto epoch_of = [policy](int workers) {
      LoaderOptions options = options_for(workers);
      options.augment->policy = policy;
      Loader loader(kData, options);
      loader.start_epoch(3);
      return rest_of(loader);
    };
    epochs.push_back(epoch_of(0));
    for (int workers : {1, 2, 5}) {
      CAPTURE(workers);
      CHECK(epoch_of(workers) == epochs.back());
    }
  }
  CHECK_FALSE(epochs[0] == epochs[1]);
  CHECK_FALSE(epochs[0] == epochs[2]);
  CHECK_FALSE(epochs[1] == epochs[2]);
}

TEST_CASE("mixed batches are the same bits for any number of workers, and from the middle on") {
  LoaderOptions options = options_for(0);
  options.augment->random_erasing = 0.5;
  options.mix = {.mixup = 1, .cutmix = 1};
  Loader reference(kData, options);
  reference.start_epoch(3);
  const Epoch expected = rest_of(reference);
  for (int workers : {1, 2, 5}) {
    options.workers = workers;
    Loader loader(kData, options);
    loader.start_epoch(3);
    CAPTURE(workers);
    CHECK(rest_of(loader) == expected);
    loader.start_epoch(3, 2);
    const Epoch tail = rest_of(loader);
    CHECK(tail.shares == std::vector(expected.shares.begin() + 2, expected.shares.end()));
    CHECK(tail.images ==
          std::vector(expected.images.begin() + 2 * 8 * 3 * 64, expected.images.end()));
  }
  CHECK(expected.shares[0] != expected.shares[1]);
  reference.start_epoch(4);
  CHECK(rest_of(reference).shares != expected.shares);
}

TEST_CASE("a mixed image has the labels of its own and of the one before it in the batch") {
  LoaderOptions options = options_for(0);
  const std::ptrdiff_t image = 3 * 8 * 8;
  Loader plain(kData, options);
  options.mix.mixup = 1;
  Loader mixed(kData, options);
  plain.start_epoch(1);
  mixed.start_epoch(1);
  while (const auto want = plain.next()) {
    const auto batch = mixed.next();
    REQUIRE(batch);
    CHECK_FALSE(want->second_labels.defined());
    CHECK(want->share == 1);
    const auto labels = batch->labels.to_vector<std::int64_t>();
    const auto second = batch->second_labels.to_vector<std::int64_t>();
    CHECK(labels == want->labels.to_vector<std::int64_t>());
    const float* const x = want->images.data<float>();
    const float* const y = batch->images.data<float>();
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::size_t before = i == 0 ? labels.size() - 1 : i - 1;
      CHECK(second[i] == labels[before]);
      for (std::ptrdiff_t k = 0; k < image; ++k) {
        const double own = x[static_cast<std::ptrdiff_t>(i) * image + k];
        const double other = x[static_cast<std::ptrdiff_t>(before) * image + k];
        CHECK(y[static_cast<std::ptrdiff_t>(i) * image + k] ==
              doctest::Approx(batch->share * own + (1 - batch->share) * other).epsilon(1e-5));
      }
    }
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

TEST_CASE("nothing of a dropped epoch comes after a restart") {
  // Large images, so that workers are in the middle of a batch when the epoch is dropped.
  const auto data = std::make_shared<const Dataset>(fake_dataset(8, 256, 256));
  for (int workers : {1, 3}) {
    LoaderOptions options = options_for(0);
    options.batch_size = 1;
    Loader reference(data, options);
    options.workers = workers;
    Loader loader(data, options);
    for (int round = 0; round < 10; ++round) {
      loader.start_epoch(100 + round);
      CHECK(loader.next().has_value());  // others are ready or under way now
      loader.start_epoch(round);
      reference.start_epoch(round);
      CAPTURE(workers);
      CAPTURE(round);
      CHECK((rest_of(loader) == rest_of(reference)));
    }
  }
}

TEST_CASE("shards are the parts of a batch, and each is the same whoever's turn it is") {
  CHECK(rc::check([] {
    LoaderOptions options = options_for(0);
    options.batch_size = *rc::gen::inRange<std::int64_t>(3, 12);
    options.drop_last = *rc::gen::arbitrary<bool>();
    const std::int64_t last = 50 % options.batch_size;
    const std::int64_t smallest = options.drop_last || last == 0 ? options.batch_size : last;
    options.shards = *rc::gen::inRange<std::int64_t>(1, std::min<std::int64_t>(smallest, 6) + 1);
    const auto accumulated = *rc::gen::inRange<std::int64_t>(1, 3);
    const auto first_batch = *rc::gen::inRange<std::int64_t>(0, 4);
    Loader batches(kData, [&] {
      LoaderOptions whole = options;
      whole.shards = 1;
      return whole;
    }());
    batches.start_epoch(2, first_batch);
    const Epoch want = rest_of(batches);
    options.mix.mixup = *rc::gen::element(0., 1.);
    Loader all(kData, options);
    RC_ASSERT(all.batches() == batches.batches());
    all.start_epoch(2, first_batch);
    std::vector<Epoch> shards;
    while (auto shard = all.next()) {
      Epoch& next = shards.emplace_back();
      next.images = shard->images.to_vector<float>();
      next.indices = shard->indices;
      next.shares = {shard->share};
    }
    Epoch together;
    for (const Epoch& shard : shards) {
      together.indices.insert(together.indices.end(), shard.indices.begin(), shard.indices.end());
    }
    RC_ASSERT(together.indices == want.indices);
    RC_ASSERT(std::ssize(shards) == (all.batches() - first_batch) * options.shards);
    // shared out among two, some shards of a batch to each
    const std::int64_t of = options.shards * accumulated;
    if (of < 2) return;
    const auto cut = *rc::gen::inRange<std::int64_t>(1, of);
    for (const bool front : {true, false}) {
      LoaderOptions own = options;
      own.turns = {.of = of, .begin = front ? 0 : cut, .end = front ? cut : of};
      own.workers = *rc::gen::inRange(0, 3);
      Loader loader(kData, own);
      loader.start_epoch(2, first_batch);
      for (std::size_t i = 0; i < shards.size(); ++i) {
        const auto number = static_cast<std::int64_t>(i) + first_batch * options.shards;
        if ((number % of < cut) != front) continue;
        const auto shard = loader.next();
        RC_ASSERT(shard.has_value());
        RC_ASSERT(shard->indices == shards[i].indices);
        RC_ASSERT(shard->images.to_vector<float>() == shards[i].images);
        RC_ASSERT(shard->share == shards[i].shares[0]);
      }
      RC_ASSERT(!loader.next().has_value());
    }
  }));
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

TEST_CASE("any options give every image once and the batches of the loader without workers") {
  CHECK(rc::check([] {
    const auto size = *rc::gen::inRange<std::int64_t>(1, 40);
    LoaderOptions options{
        .batch_size = *rc::gen::inRange<std::int64_t>(1, 50),
        .shuffle = *rc::gen::arbitrary<bool>(),
        .augment =
            AugmentOptions{.pad = *rc::gen::inRange(0, 12),
                           .pad_mode = *rc::gen::element(PadMode::zero, PadMode::reflect),
                           .flip = *rc::gen::element(Flip::none, Flip::random, Flip::alternating),
                           .cutout = *rc::gen::inRange(0, 12)},
        .seed = *rc::gen::arbitrary<std::uint64_t>(),
        .workers = 0};
    const auto data = std::make_shared<const Dataset>(fake_dataset(size, 6, 7));
    Loader reference(data, options);
    options.workers = *rc::gen::inRange(1, 4);
    options.prefetch = *rc::gen::inRange(1, 4);
    Loader loader(data, options);
    const auto from = *rc::gen::inRange<std::int64_t>(0, loader.batches() + 1);
    reference.start_epoch(1, from);
    loader.start_epoch(1, from);
    RC_ASSERT(rest_of(loader) == rest_of(reference));
    loader.start_epoch(1);
    auto indices = rest_of(loader).indices;
    std::ranges::sort(indices);
    RC_ASSERT(std::ssize(indices) == size);
    for (std::int64_t i = 0; i < size; ++i) RC_ASSERT(indices[static_cast<std::size_t>(i)] == i);
  }));
}

TEST_CASE("without augmentation a batch holds the normalised pixels, channels last") {
  Loader loader(kData, {.batch_size = 3,
                        .normalisation = {.mean = {0.1, 0.2, 0.3}, .std = {1, 2, 4}},
                        .workers = 1});
  loader.start_epoch(0, 2);
  const auto batch = loader.next();
  CHECK(batch->indices == std::vector<std::int64_t>{6, 7, 8});
  const auto values = batch->images.to_vector<double>();  // logical order: [n, c, h, w]
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = i / 64 % 3;
    const double pixel = kData->images[6 * 3 * 64 + i] / 255.0;
    const double mean = 0.1 + 0.1 * static_cast<double>(c), std = c == 0 ? 1 : c == 1 ? 2 : 4;
    CHECK(values[i] == doctest::Approx((pixel - mean) / std).epsilon(1e-5));
  }
}

TEST_CASE("what fails in a worker is rethrown by next() in the place of its batch") {
  Dataset bad = *kData;
  bad.labels[21] = 10;  // in batch 2 of 8 images each
  const auto data = std::make_shared<const Dataset>(bad);
  for (int workers : {0, 1, 3}) {
    CAPTURE(workers);
    Loader loader(data, {.batch_size = 8, .workers = workers});
    loader.start_epoch(0);
    for (int i = 0; i < 2; ++i) CHECK(loader.next().has_value());
    for (int i = 0; i < 2; ++i) {  // and again: the batch is not skipped
      CHECK_THROWS_WITH_AS(loader.next(),
                           "loader: label of image 21: expected a value in [0, 10), got 10",
                           ValueError);
    }
    loader.start_epoch(1, 3);  // the loader is of use after it
    CHECK(rest_of(loader).indices.size() == 50 - 24);
    loader.start_epoch(2);  // destroyed with a failure under way
  }
}

TEST_CASE("a batch stays as it is while the loader goes on") {
  Loader loader(kData, options_for(2));
  loader.start_epoch(0);
  const auto batch = loader.next();
  const auto before = batch->images.to_vector<float>();
  rest_of(loader);
  loader.start_epoch(1);
  rest_of(loader);
  CHECK(batch->images.to_vector<float>() == before);
}

TEST_CASE("a loader rejects options out of range") {
  CHECK_THROWS_AS(Loader(std::make_shared<const Dataset>(), {}), ValueError);
  CHECK_THROWS_AS(Loader(kData, {.batch_size = 0}), ValueError);
  CHECK_THROWS_AS(Loader(kData, {.workers = -1}), ValueError);
  CHECK_THROWS_AS(Loader(kData, {.augment = AugmentOptions{.pad = -1}}), ValueError);
  CHECK_THROWS_AS(Loader(kData, {.mix = {.mixup = -1}}), ValueError);
  CHECK_THROWS_AS(Loader(nullptr, {}), ValueError);
  CHECK_THROWS_WITH_AS(
      Loader(kData, {.batch_size = 24, .shards = 3}),
      "loader: batch size: expected at least an image for each of the 3 shards, got "
      "a batch of 2",
      ValueError);
  CHECK_THROWS_WITH_AS(
      Loader(kData, {.turns = {.of = 2, .begin = 1, .end = 1}}),
      "loader: options: expected at least 1 shard and turns with 0 <= begin < end <= of, got 1 and "
      "[1, 1) of 2",
      ValueError);
  Dataset torn = *kData;
  torn.images.pop_back();
  CHECK_THROWS_WITH_AS(Loader(std::make_shared<const Dataset>(torn), {}),
                       "loader: dataset: expected 9600 bytes of pixels for 50 labels, got 9599",
                       ValueError);
  Loader loader(kData, options_for(1));
  CHECK_THROWS_WITH_AS(loader.start_epoch(0, 8), "loader: first_batch: expected 0 to 7, got 8",
                       ValueError);
  CHECK_THROWS_WITH_AS(loader.start_epoch(-1), "loader: epoch: expected 0 to 2^32 - 1, got -1",
                       ValueError);
}

TEST_CASE("a batch size far above the data set asks for no more than the data set") {
  Loader loader(kData, {.batch_size = std::int64_t{1} << 60});
  CHECK(loader.batches() == 1);
  loader.start_epoch(0);
  CHECK(rest_of(loader).indices.size() == 50);
}

TEST_CASE("workers that cannot be started are an error that names them") {
  const std::string result = testing::in_child_without_threads([] {
    const Loader loader(kData, {.batch_size = 8, .workers = 2});
    return std::string();
  });
  CHECK(result ==
        "uncaught: loader: worker 1 of 2: expected another thread (ulimit -u), got: Resource "
        "temporarily unavailable");
}
