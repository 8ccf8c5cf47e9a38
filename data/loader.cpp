#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "core/check.h"
#include "core/clock.h"
#include "core/start_thread.h"

namespace resgrad::data {

// Workers take the places of shards in the row of ours and put what they made into `ready`; next()
// takes it out in order. A whole batch is a shard, too. A new generation tells a worker that what
// it made is no longer wanted.
struct Loader::State {
  struct Made {
    std::optional<Batch> batch;
    std::exception_ptr error;  // instead of a batch
  };

  State(std::shared_ptr<const Dataset> data, const LoaderOptions& o)
      : dataset(std::move(data)), options(o), table(o.normalisation) {}

  std::int64_t batches() const {
    const std::int64_t n = dataset->size(), b = options.batch_size;
    return n / b + (!options.drop_last && n % b != 0 ? 1 : 0);
  }

  // The number in the epoch of the shard at a place in the row of ours, and how many of these come
  // before one.
  std::int64_t number_at(std::int64_t place) const {
    const Turns& t = options.turns;
    return place / (t.end - t.begin) * t.of + t.begin + place % (t.end - t.begin);
  }
  std::int64_t places_before(std::int64_t number) const {
    const Turns& t = options.turns;
    return number / t.of * (t.end - t.begin) + std::clamp(number % t.of, t.begin, t.end) - t.begin;
  }

  std::vector<std::int64_t> indices_of(std::int64_t number) const {
    const std::int64_t shard = number % options.shards,
                       first = number / options.shards * options.batch_size;
    const std::int64_t n = std::min(options.batch_size, std::ssize(order) - first);
    return {order.begin() + first + n * shard / options.shards,
            order.begin() + first + n * (shard + 1) / options.shards};
  }

  // Images of the smallest batch of an epoch; 0 without any.
  std::int64_t smallest_batch() const {
    const std::int64_t n = dataset->size(), b = options.batch_size;
    if (options.drop_last || n % b == 0) return n / b > 0 ? b : 0;
    return n % b;
  }

  // Images of the largest shard.
  std::int64_t shard_size() const {
    const std::int64_t n = std::min(options.batch_size, dataset->size());
    return n / options.shards + (n % options.shards != 0 ? 1 : 0);
  }

  Tensor empty_images(std::int64_t n) const {
    return Tensor::empty({n, 3, dataset->height, dataset->width}, DType::float32,
                         MemoryFormat::channels_last);
  }

  Batch make_batch(std::vector<std::int64_t> indices, std::int64_t epoch_number,
                   std::int64_t number) const {
    const auto n = std::ssize(indices);
    Batch batch{.images = empty_images(n),
                .labels = Tensor::empty({n}, DType::int64),
                .indices = std::move(indices)};
    float* images = batch.images.data<float>();
    auto* labels = batch.labels.data<std::int64_t>();
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const std::int64_t index = batch.indices[static_cast<std::size_t>(i)];
      const int label = dataset->labels[static_cast<std::size_t>(index)];
      require<ValueError>(label < dataset->num_classes,
                          "loader: label of image {}: expected a value in [0, {}), got {}", index,
                          dataset->num_classes, label);
      Augmentation augmentation;
      if (options.augment) {
        augmentation = draw_augmentation(*options.augment, dataset->height, dataset->width,
                                         options.seed, static_cast<std::uint32_t>(epoch_number),
                                         static_cast<std::uint64_t>(index));
      }
      write_image(images + i * dataset->image_bytes(), *dataset, index, augmentation, table);
      labels[i] = label;
    }
    if (options.mix.any()) mix(batch, epoch_number, number);
    return batch;
  }

  void mix(Batch& batch, std::int64_t epoch_number, std::int64_t number) const {
    Random random(options.seed, Purpose::mix, static_cast<std::uint32_t>(epoch_number),
                  static_cast<std::uint64_t>(number));
    const Mix drawn = draw_mix(options.mix, dataset->height, dataset->width, random);
    const std::int64_t n = batch.images.dim(0);
    mix_images(batch.images.data<float>(), n, dataset->height, dataset->width, drawn);
    batch.share = drawn.share;
    batch.second_labels = Tensor::empty({n}, DType::int64);
    const std::int64_t* const first = std::as_const(batch.labels).data<std::int64_t>();
    std::rotate_copy(first, first + n - 1, first + n, batch.second_labels.data<std::int64_t>());
  }

  std::int64_t capacity() const { return std::int64_t{options.workers} * options.prefetch; }

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (true) {
      wanted.wait(lock, stop, [this] {
        return next_to_make < end && next_to_make < next_to_give + capacity();
      });
      if (stop.stop_requested()) return;
      const std::int64_t place = next_to_make++, epoch_number = epoch, made_for = generation;
      const std::int64_t number = number_at(place);
      std::vector<std::int64_t> indices = indices_of(number);
      lock.unlock();
      Made made;
      try {
        made.batch = make_batch(std::move(indices), epoch_number, number);
      } catch (...) {
        made.error = std::current_exception();
      }
      lock.lock();
      if (made_for != generation) continue;
      ready.emplace(place, std::move(made));
      given.notify_all();
    }
  }

  const std::shared_ptr<const Dataset> dataset;
  const LoaderOptions options;
  const PixelTable table;

  std::mutex mutex;
  std::condition_variable_any wanted;  // work may be there
  std::condition_variable given;       // something is ready
  std::vector<std::int64_t> order;
  std::map<std::int64_t, Made> ready;
  std::int64_t epoch = 0, generation = 0;
  std::int64_t next_to_make = 0, next_to_give = 0, end = 0;
  double waited = 0;
  std::vector<std::jthread> threads;  // last: stopped and joined first
};

Loader::Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options) {
  require<ValueError>(dataset != nullptr && dataset->size() > 0,
                      "loader: dataset: expected at least one image, got none");
  require<ValueError>(options.batch_size >= 1 && options.workers >= 0 && options.prefetch >= 1,
                      "loader: options: expected batch_size and prefetch of at least 1 and workers "
                      "of at least 0, got {}, {} and {}",
                      options.batch_size, options.prefetch, options.workers);
  require<ValueError>(std::ssize(dataset->images) == dataset->size() * dataset->image_bytes(),
                      "loader: dataset: expected {} bytes of pixels for {} labels, got {}",
                      dataset->size() * dataset->image_bytes(), dataset->size(),
                      dataset->images.size());
  const Turns& turns = options.turns;
  require<ValueError>(
      options.shards >= 1 && 0 <= turns.begin && turns.begin < turns.end && turns.end <= turns.of,
      "loader: options: expected at least 1 shard and turns with 0 <= begin < end <= "
      "of, got {} and [{}, {}) of {}",
      options.shards, turns.begin, turns.end, turns.of);
  options.workers = std::min(options.workers, kMostWorkers);
  if (options.augment) check_options(*options.augment);
  check_options(options.mix);
  state_ = std::make_unique<State>(std::move(dataset), options);
  const std::int64_t smallest = state_->smallest_batch();
  require<ValueError>(
      smallest == 0 || smallest >= options.shards,
      "loader: batch size: expected at least an image for each of the {} shards, got "
      "a batch of {}",
      options.shards, smallest);
  // Leaves the allocator with as many blocks as can ever be in use at once: how far the workers
  // happen to be ahead must not make it map memory later.
  std::vector<Tensor> reserve;
  const std::int64_t blocks =
      std::min(state_->capacity(), state_->places_before(batches() * options.shards)) + 2;
  for (std::int64_t i = 0; i < blocks; ++i) {
    reserve.push_back(state_->empty_images(state_->shard_size()));
  }
  for (int i = 0; i < options.workers; ++i) {
    state_->threads.push_back(start_thread<std::jthread>(
        fmt::format("loader: worker {} of {}", i + 1, options.workers),
        [s = state_.get()](const std::stop_token& stop) { s->work(stop); }));
  }
}

Loader::~Loader() = default;

std::int64_t Loader::batches() const {
  return state_->batches();
}

void Loader::start_epoch(std::int64_t epoch, std::int64_t first_batch) {
  State& s = *state_;
  require<ValueError>(epoch >= 0 && epoch <= std::numeric_limits<std::uint32_t>::max(),
                      "loader: epoch: expected 0 to 2^32 - 1, got {}", epoch);
  require<ValueError>(first_batch >= 0 && first_batch <= batches(),
                      "loader: first_batch: expected 0 to {}, got {}", batches(), first_batch);
  std::vector<std::int64_t> order;
  if (s.options.shuffle) {
    order = Random(s.options.seed, Purpose::shuffle, static_cast<std::uint32_t>(epoch))
                .permutation(s.dataset->size());
  } else {
    order.resize(static_cast<std::size_t>(s.dataset->size()));
    std::iota(order.begin(), order.end(), std::int64_t{0});
  }
  const std::lock_guard lock(s.mutex);
  s.order = std::move(order);
  s.ready.clear();
  s.epoch = epoch;
  ++s.generation;
  s.next_to_make = s.next_to_give = s.places_before(first_batch * s.options.shards);
  s.end = s.places_before(batches() * s.options.shards);
  s.waited = 0;
  s.wanted.notify_all();
}

std::optional<Batch> Loader::next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (s.next_to_give == s.end) return std::nullopt;
  const auto start = Clock::now();
  std::optional<Batch> batch;
  if (s.threads.empty()) {
    const std::int64_t number = s.number_at(s.next_to_give);
    batch = s.make_batch(s.indices_of(number), s.epoch, number);
  } else {
    s.given.wait(lock, [&s] { return s.ready.contains(s.next_to_give); });
    const auto found = s.ready.find(s.next_to_give);
    if (found->second.error) std::rethrow_exception(found->second.error);
    batch = std::move(found->second.batch);
    s.ready.erase(found);
  }
  s.waited += seconds_since(start);
  ++s.next_to_give;
  s.wanted.notify_one();
  return batch;
}

double Loader::wait_seconds() const {
  const std::lock_guard lock(state_->mutex);
  return state_->waited;
}

}  // namespace resgrad::data
