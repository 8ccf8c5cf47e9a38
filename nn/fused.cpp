#include "nn/fused.h"

#include "core/ops/arithmetic.h"
#include "core/ops/fused/batch_norm_relu.h"
#include "core/ops/fused/batch_norm_relu_conv2d.h"
#include "core/ops/relu.h"
#include "nn/batch_norm2d.h"
#include "nn/conv2d.h"
#include "nn/layers.h"

namespace resgrad {
namespace {

// Module number i as an M; null if it is something else or there are not so many.
template <class M>
M* get_as(ModuleSpan modules, std::size_t i) {
  return i < modules.size() ? dynamic_cast<M*>(modules[i].second.get()) : nullptr;
}

Tensor norm_relu(BatchNorm2d& norm, const Tensor& x) {
  return norm.apply([&](const Tensor& weight, const Tensor& bias, Tensor& mean, Tensor& var,
                        const BatchNormOptions& options) {
    return batch_norm_relu(x, weight, bias, mean, var, options);
  });
}

Tensor norm_relu_conv(BatchNorm2d& norm, const Conv2d& conv, const Tensor& x) {
  return norm.apply([&](const Tensor& weight, const Tensor& bias, Tensor& mean, Tensor& var,
                        const BatchNormOptions& options) {
    return batch_norm_relu_conv2d(x, weight, bias, mean, var, conv.weight(), conv.bias(), options,
                                  conv.options());
  });
}

Tensor norm_add_relu(BatchNorm2d& norm, const Tensor& x, const Tensor& residual) {
  return norm.apply([&](const Tensor& weight, const Tensor& bias, Tensor& mean, Tensor& var,
                        const BatchNormOptions& options) {
    return batch_norm_add_relu(x, residual, weight, bias, mean, var, options);
  });
}

}  // namespace

Tensor apply_in_turn(ModuleSpan modules, const Tensor& x) {
  const bool joins = !CallObserver::active();
  Tensor y = x;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    auto* const norm = get_as<BatchNorm2d>(modules, i);
    if (!joins || norm == nullptr || get_as<ReLU>(modules, i + 1) == nullptr) {
      y = (*modules[i].second)(y);
    } else if (const auto* conv = get_as<Conv2d>(modules, i + 2); conv != nullptr) {
      y = norm_relu_conv(*norm, *conv, y);
      i += 2;
    } else {
      y = norm_relu(*norm, y);
      i += 1;
    }
  }
  return y;
}

Tensor add_relu(Module& path, Module& shortcut, const Tensor& x) {
  const ModuleSpan modules = path.children();
  auto* const norm = modules.empty() ? nullptr : get_as<BatchNorm2d>(modules, modules.size() - 1);
  if (norm == nullptr || CallObserver::active()) {
    const Tensor residual = path(x);  // first, as summaries list it
    return relu(residual + shortcut(x));
  }
  const Tensor before_norm = apply_in_turn(modules.first(modules.size() - 1), x);
  return norm_add_relu(*norm, before_norm, shortcut(x));
}

}  // namespace resgrad
