#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "core/check.h"
#include "core/start_thread.h"

namespace resgrad::data {

// Workers take batch numbers in turn and put what they made into `ready`; next() takes them out in
// order. A new generation tells a worker that what it made is no longer wanted.
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

  std::vector<std::int64_t> indices_of(std::int64_t number) const {
    const std::int64_t begin = number * options.batch_size;
    const std::int64_t end_of_batch =
        begin + std::min(options.batch_size, std::ssize(order) - begin);
    return {order.begin() + begin, order.begin() + end_of_batch};
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
      const std::int64_t number = next_to_make++, epoch_number = epoch, made_for = generation;
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
      ready.emplace(number, std::move(made));
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
  options.workers = std::min(options.workers, kMostWorkers);
  if (options.augment) check_options(*options.augment);
  check_options(options.mix);
  state_ = std::make_unique<State>(std::move(dataset), options);
  // Leaves the allocator with as many blocks as can ever be in use at once: how far the workers
  // happen to be ahead must not make it map memory later.
  std::vector<Tensor> reserve;
  const std::int64_t blocks = std::min(state_->capacity(), batches()) + 2;
  for (std::int64_t i = 0; i < blocks; ++i) {
    reserve.push_back(state_->empty_images(std::min(options.batch_size, state_->dataset->size())));
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
  s.next_to_make = s.next_to_give = first_batch;
  s.end = batches();
  s.waited = 0;
  s.wanted.notify_all();
}

std::optional<Batch> Loader::next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (s.next_to_give == s.end) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  std::optional<Batch> batch;
  if (s.threads.empty()) {
    batch = s.make_batch(s.indices_of(s.next_to_give), s.epoch, s.next_to_give);
  } else {
    s.given.wait(lock, [&s] { return s.ready.contains(s.next_to_give); });
    const auto found = s.ready.find(s.next_to_give);
    if (found->second.error) std::rethrow_exception(found->second.error);
    batch = std::move(found->second.batch);
    s.ready.erase(found);
  }
  s.waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ++s.next_to_give;
  s.wanted.notify_one();
  return batch;
}

double Loader::wait_seconds() const {
  const std::lock_guard lock(state_->mutex);
  return state_->waited;
}

}  // namespace resgrad::data
