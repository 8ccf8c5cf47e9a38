#include "train/dist/gradient_exchange.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

namespace resgrad {
namespace {

constexpr std::int64_t kBucketBytes = 4 << 20;
// At least, so that those of a small network are on their way before backward has ended.
constexpr std::int64_t kBuckets = 4;
constexpr std::int64_t kLine = 16;  // elements: gradients begin where lines of the cache do

}  // namespace

GradientExchange::GradientExchange(Communicator& communicator, std::int64_t shards,
                                   std::vector<Tensor> parameters, std::int64_t extra) {
  for (Tensor& tensor : parameters) parameters_.push_back({std::move(tensor)});
  std::int64_t bytes = 0;
  for (const Parameter& p : parameters_) bytes += static_cast<std::int64_t>(p.tensor.byte_size());
  const std::int64_t full = std::min(kBucketBytes, bytes / kBuckets);
  std::vector<DType> dtypes;
  for (auto p = parameters_.rbegin(); p != parameters_.rend(); ++p) {
    const DType dtype = p->tensor.dtype();
    const auto value = static_cast<std::int64_t>(size_of(dtype));
    if (buckets_.empty() || dtypes.back() != dtype || buckets_.back().values * value >= full) {
      buckets_.emplace_back();
      dtypes.push_back(dtype);
    }
    Bucket& bucket = buckets_.back();
    p->bucket = buckets_.size() - 1;
    p->offset = bucket.values;
    bucket.values += (p->tensor.numel() + kLine - 1) / kLine * kLine;
    bucket.missing = ++bucket.parameters;
  }
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    sums_.emplace_back(communicator, shards, buckets_[b].values, dtypes[b]);
  }
  sums_.emplace_back(communicator, shards, extra, DType::float64);
}

void GradientExchange::put(std::size_t i, ShardSum<Tensor>& gradient) {
  Parameter& p = parameters_[i];
  put_blocks(sums_[p.bucket], p.offset, gradient);
  p.given = true;
  --buckets_[p.bucket].missing;
  start_full_buckets();
  progress();
}

void GradientExchange::put_blocks(OrderedSum& sum, std::int64_t offset, ShardSum<Tensor>& values) {
  std::size_t block = 0;
  for (const auto& [range, value] : values.blocks()) sum.put(block++, offset, value);
  values.clear();
}

void GradientExchange::start_full_buckets() {
  while (started_ < buckets_.size() && buckets_[started_].missing == 0) sums_[started_++].start();
}

// In the order of the sums: by it a transfer is matched with those of the other ranks.
void GradientExchange::progress() {
  bool before = true;
  for (std::size_t i = 0; i < started_; ++i) {
    sums_[i].advance(before);
    before = sums_[i].collecting();
  }
}

Tensor GradientExchange::finish(ShardSum<Tensor>& extra) {
  put_blocks(sums_.back(), 0, extra);
  while (started_ < sums_.size()) sums_[started_++].start();
  while (!std::ranges::all_of(sums_, &OrderedSum::done)) {
    progress();
    std::this_thread::yield();  // to a rank that may share this core
  }
  started_ = 0;
  set_gradients();
  return sums_.back().take();
}

void GradientExchange::set_gradients() {
  std::vector<Tensor> values;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    values.push_back(sums_[b].take());
    buckets_[b].missing = buckets_[b].parameters;
  }
  for (Parameter& p : parameters_) {
    if (!std::exchange(p.given, false)) continue;
    const Tensor part = values[p.bucket].narrow(p.offset, p.offset + p.tensor.numel());
    if (p.tensor.memory_format() == MemoryFormat::contiguous) {
      p.tensor.set_grad(part.view(p.tensor.shape()));
      continue;
    }
    Tensor gradient = Tensor::empty_like(p.tensor);
    std::memcpy(gradient.bytes(), part.bytes(), part.byte_size());
    p.tensor.set_grad(gradient);
  }
}

}  // namespace resgrad
