#include "train/optim/ema.h"

#include <algorithm>

#include "core/autograd/grad_mode.h"
#include "core/autograd/observer.h"
#include "core/check.h"
#include "core/kernels/elementwise.h"

namespace resgrad {

Ema::Ema(const Module& net, double decay) : decay_(decay), values_(net.state_dict()) {
  require<ValueError>(decay >= 0 && decay < 1,
                      "ema: decay: expected at least 0 and below 1, got {}", decay);
  for (const NamedTensor& value : values_)
    averages_.push_back({value.name, value.tensor.detach().clone()});
}

void Ema::update(std::int64_t updates) {
  const NoGradGuard no_grad;
  const double t = static_cast<double>(updates);
  const double decay = std::min(decay_, (1 + t) / (10 + t));
  double bytes = 0;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    Tensor& average = averages_[i].tensor;
    if (!is_floating(average.dtype())) {
      average.copy_(values_[i].tensor);
      continue;
    }
    const Tensor value = values_[i].tensor.detach(average.memory_format());
    average.bump_version();
    visit_floating(average.dtype(), "ema", [&]<class T>() {
      // rounded first, so that the two shares add up to 1 and an average of equals is the same
      const T keep = static_cast<T>(decay), take = 1 - keep;
      T* const a = average.data<T>();
      kernels::elementwise<T>().scale(a, keep, a, average.numel());
      kernels::elementwise<T>().axpy(a, take, value.data<T>(), average.numel());
    });
    bytes += 5 * bytes_of(average);
  }
  report({.name = "ema", .phase = "update", .bytes = bytes});
}

void Ema::load_state(const std::vector<NamedTensor>& state) {
  copy_state("ema", averages_, state);
}

Ema::Applied::Applied(Ema& ema) : ema_(ema) {
  for (std::size_t i = 0; i < ema.values_.size(); ++i) {
    const Tensor &value = ema.values_[i].tensor, &average = ema.averages_[i].tensor;
    require<StateError>(value.dtype() == average.dtype() && value.shape() == average.shape() &&
                            value.memory_format() == average.memory_format(),
                        "ema: {}: expected {} {} {} as at the start, got {} {} {}",
                        ema.values_[i].name, name(average.dtype()), average.shape(),
                        name(average.memory_format()), name(value.dtype()), value.shape(),
                        name(value.memory_format()));
  }
  ema_.swap();
}

void Ema::swap() {
  const NoGradGuard no_grad;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    Tensor &value = values_[i].tensor, &average = averages_[i].tensor;
    std::swap_ranges(value.bytes(), value.bytes() + value.byte_size(), average.bytes());
    value.bump_version();
    average.bump_version();
  }
}

}  // namespace resgrad
