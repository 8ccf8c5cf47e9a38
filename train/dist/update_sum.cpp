#include "train/dist/update_sum.h"

#include <algorithm>
#include <utility>

#include "core/autograd/grad_mode.h"
#include "core/kernels/elementwise.h"

namespace resgrad {
namespace {

// sum += x, in its place where nobody else holds it.
void add(Tensor& sum, const Tensor& x) {
  const bool owned = sum.impl().use_count() == 1 && sum.impl()->storage.use_count() == 1;
  Tensor out = owned ? sum : Tensor::empty_like(sum);
  visit_floating(sum.dtype(), "sum over shards", [&]<class T>() {
    kernels::elementwise<T>().add(out.data<T>(), std::as_const(sum).data<T>(), x.data<T>(),
                                  sum.numel());
  });
  sum = std::move(out);
}

}  // namespace

UpdateSum::UpdateSum(const Module& net, std::int64_t shards, std::int64_t numbers,
                     Communicator& communicator)
    : shards_(shards), own_(shards_of(shards, communicator.rank(), communicator.size())) {
  if (shards == 1) return;
  for (const NamedTensor& p : net.named_parameters()) {
    if (p.tensor.requires_grad()) parameters_.push_back({p.name, p.tensor});
  }
  std::int64_t changes = numbers + std::ssize(parameters_);
  for (const NamedTensor& buffer : net.named_buffers()) {
    buffers_.push_back(buffer.tensor);
    at_start_.push_back(Tensor::empty_like(buffer.tensor));
    if (is_floating(buffer.tensor.dtype())) changes += buffer.tensor.numel();
  }
  if (communicator.size() == 1) return;
  std::vector<Tensor> tensors;
  for (const Parameter& p : parameters_) tensors.push_back(p.tensor);
  exchange_.emplace(communicator, shards, std::move(tensors), changes);
  send_early();
}

UpdateSum::~UpdateSum() {
  for (Parameter& p : parameters_) p.hook.remove();
}

// Gradients of the last shard are given to the other ranks while backward goes on.
void UpdateSum::send_early() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = parameters_[i];
    p.hook = p.tensor.register_hook([this, i, &p](const Tensor& gradient) {
      if (shard_ + 1 == own_.end) {
        take_gradient(p, gradient);
        // else finish() finds, at all ranks, that some shards had none
        if (p.shards == own_.size()) exchange_->put(i, p.sum);
      }
      return Tensor();
    });
  }
}

void UpdateSum::begin_shard(std::int64_t shard) {
  shard_ = shard;
  if (shards_ == 1) return;
  const NoGradGuard no_grad;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    if (shard == own_.begin) {
      at_start_[i].copy_(buffers_[i]);
    } else {
      buffers_[i].copy_(at_start_[i]);
    }
  }
  for (Parameter& p : parameters_) p.tensor.zero_grad();
}

void UpdateSum::end_shard(double share, std::vector<double> numbers) {
  numbers_ = std::move(numbers);
  if (shards_ == 1) return;
  const bool sent = exchange_ && shard_ + 1 == own_.end;
  for (Parameter& p : parameters_) {
    if (!sent && p.tensor.grad().defined()) take_gradient(p, p.tensor.grad());
  }
  changes_.take({shard_, shard_ + 1}, changes(share, numbers_), add);
}

void UpdateSum::take_gradient(Parameter& p, const Tensor& gradient) {
  p.sum.take({shard_, shard_ + 1}, gradient, add);
  ++p.shards;
}

// Of this shard: the numbers; of the last one how many gradients each parameter had here; and share
// * change of each floating buffer.
Tensor UpdateSum::changes(double share, const std::vector<double>& numbers) const {
  std::int64_t n = std::ssize(numbers) + std::ssize(parameters_);
  for (const Tensor& buffer : buffers_) n += is_floating(buffer.dtype()) ? buffer.numel() : 0;
  Tensor all = Tensor::empty({n}, DType::float64);
  double* to = std::ranges::copy(numbers, all.data<double>()).out;
  const bool last = shard_ + 1 == own_.end;
  for (const Parameter& p : parameters_) *to++ = last ? static_cast<double>(p.shards) : 0;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    if (!is_floating(buffers_[i].dtype())) continue;
    visit_floating(buffers_[i].dtype(), "sum over shards", [&]<class T>() {
      const T* before = at_start_[i].data<T>();
      const T* now = std::as_const(buffers_[i]).data<T>();
      for (std::int64_t k = 0; k < buffers_[i].numel(); ++k) {
        *to++ = share * (static_cast<double>(now[k]) - static_cast<double>(before[k]));
      }
    });
  }
  return all;
}

std::vector<double> UpdateSum::finish() {
  if (shards_ == 1) return numbers_;
  const NoGradGuard no_grad;
  const Tensor total = exchange_ ? exchange_->finish(changes_) : changes_.total(add);
  const double* from = total.data<double>();
  for (double& number : numbers_) number = *from++;
  for (Parameter& p : parameters_) {
    const auto gradients = static_cast<std::int64_t>(*from++);
    require<StateError>(gradients == 0 || gradients == shards_,
                        "train: {}: expected {} gradients, one from each shard, or none, got {}",
                        p.name, shards_, gradients);
    if (!p.sum.empty()) p.tensor.set_grad(p.sum.total(add));
    p.shards = 0;
  }
  apply_changes(from);
  return std::move(numbers_);
}

void UpdateSum::apply_changes(const double* from) {
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    if (!is_floating(buffers_[i].dtype())) continue;
    visit_floating(buffers_[i].dtype(), "sum over shards", [&]<class T>() {
      const T* before = at_start_[i].data<T>();
      T* now = buffers_[i].data<T>();
      for (std::int64_t k = 0; k < buffers_[i].numel(); ++k) {
        now[k] = static_cast<T>(static_cast<double>(before[k]) + *from++);
      }
    });
    buffers_[i].bump_version();
  }
}

}  // namespace resgrad
