#include "train/dist/ordered_sum.h"

#include <algorithm>
#include <cstring>

#include "core/kernels/elementwise.h"

namespace resgrad {

OrderedSum::OrderedSum(Communicator& communicator, std::int64_t shards, std::int64_t n, DType dtype)
    : communicator_(communicator) {
  const int ranks = communicator.size(), own = communicator.rank();
  const auto value = static_cast<std::int64_t>(size_of(dtype));
  for (int r = 0; r < ranks; ++r) blocks_.push_back(blocks_of(shards_of(shards, r, ranks)));
  for (int q = 0; q <= ranks; ++q) part_.push_back(n * q / ranks);
  const auto index = static_cast<std::size_t>(own);
  const auto own_blocks = std::ssize(blocks_[index]);
  const std::int64_t own_part = part_[index + 1] - part_[index];
  std::int64_t arriving = 0;
  for (std::size_t q = 0; q < blocks_.size(); ++q) {
    const std::int64_t part = part_[q + 1] - part_[q];
    bytes_to_.push_back(own_blocks * part * value);
    bytes_from_.push_back(std::ssize(blocks_[q]) * own_part * value);
    bytes_of_part_.push_back(part * value);
    arriving += std::ssize(blocks_[q]) * own_part;
  }
  sent_ = Tensor::zeros({own_blocks * n}, dtype);
  received_ = Tensor::empty({arriving}, dtype);
  y_ = sent_.narrow(0, n);
}

void OrderedSum::put(std::size_t block, std::int64_t offset, const Tensor& x) {
  const auto value = static_cast<std::int64_t>(size_of(x.dtype()));
  const std::int64_t end = offset + x.numel();
  const auto own = std::ssize(blocks_[static_cast<std::size_t>(communicator_.rank())]);
  for (std::size_t q = 0; q + 1 < part_.size(); ++q) {
    const std::int64_t first = std::max(offset, part_[q]), last = std::min(end, part_[q + 1]);
    if (first >= last) continue;
    const std::int64_t part = part_[q + 1] - part_[q];
    const std::int64_t to =
        own * part_[q] + static_cast<std::int64_t>(block) * part + first - part_[q];
    std::memcpy(sent_.bytes() + to * value, x.bytes() + (first - offset) * value,
                static_cast<std::size_t>((last - first) * value));
  }
}

void OrderedSum::start() {
  transfer_ = communicator_.exchange(sent_.bytes(), bytes_to_, received_.bytes(), bytes_from_);
  phase_ = Phase::exchanging;
}

void OrderedSum::advance(bool before) {
  if (phase_ == Phase::exchanging && before && transfer_->done()) {
    transfer_ = communicator_.collect(add_blocks(), y_.bytes(), bytes_of_part_);
    phase_ = Phase::collecting;
  }
  if (phase_ == Phase::collecting && transfer_->done()) phase_ = Phase::done;
}

const Tensor& OrderedSum::take() {
  phase_ = Phase::idle;
  return y_;
}

std::byte* OrderedSum::add_blocks() {
  std::byte* sum = nullptr;
  visit_floating(received_.dtype(), "ordered sum", [&]<class T>() {
    const auto own = static_cast<std::size_t>(communicator_.rank());
    const std::int64_t part = part_[own + 1] - part_[own];
    const auto add = [part](T* a, const T* b) { kernels::elementwise<T>().add(a, a, b, part); };
    ShardSum<T*> tree;
    T* x = received_.data<T>();
    for (const std::vector<ShardRange>& of_rank : blocks_) {
      for (const ShardRange& block : of_rank) {
        tree.take(block, x, add);
        x += part;
      }
    }
    sum = reinterpret_cast<std::byte*>(tree.total(add));
  });
  return sum;
}

}  // namespace resgrad
