#include "nn/sequential.h"

#include "nn/batch_norm2d.h"
#include "nn/layers.h"

namespace resgrad {

template <class M>
M* Sequential::child_as(std::size_t i, std::size_t count) const {
  return i < count ? dynamic_cast<M*>(children()[i].second.get()) : nullptr;
}

Tensor Sequential::without_last(const Tensor& x) {
  require<StateError>(!children().empty(),
                      "Sequential: without_last: expected at least one module, got none");
  return apply_first(children().size() - 1, x);
}

Tensor Sequential::apply_first(std::size_t count, const Tensor& x) {
  const bool joined = !CallObserver::active();
  Tensor y = x;
  for (std::size_t i = 0; i < count; ++i) {
    auto* const norm = child_as<BatchNorm2d>(i, count);
    if (!joined || norm == nullptr || child_as<ReLU>(i + 1, count) == nullptr) {
      y = (*children()[i].second)(y);
    } else if (const auto* conv = child_as<Conv2d>(i + 2, count); conv != nullptr) {
      y = norm->then_relu_conv(y, *conv);
      i += 2;
    } else {
      y = norm->then_relu(y);
      i += 1;
    }
  }
  return y;
}

}  // namespace resgrad
