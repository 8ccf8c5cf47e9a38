#include "nn/fused.h"

#include <optional>

#include "core/ops/arithmetic.h"
#include "core/ops/fused/batch_norm_relu.h"
#include "core/ops/fused/batch_norm_relu_conv2d.h"
#include "core/ops/relu.h"
#include "nn/batch_norm2d.h"
#include "nn/conv2d.h"
#include "nn/inference.h"
#include "nn/layers.h"

namespace resgrad {
namespace {

// Module number i as an M; null if it is something else, has a caller of its own or there are not
// so many.
template <class M>
M* get_as(ModuleSpan modules, std::size_t i) {
  if (i >= modules.size() || modules[i].second->calls_through()) return nullptr;
  return dynamic_cast<M*>(modules[i].second.get());
}

// The modules whose calls in turn are a call of `path`, if there are such.
std::optional<ModuleSpan> in_turn(const Module& path) {
  const bool nothing_else = path.applies_children_in_turn() && !path.calls_through();
  return nothing_else ? std::optional<ModuleSpan>(path.children()) : std::nullopt;
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

// The layers that inference has prepared, if they are to be used for x.
PreparedLayers* prepared_for(const Tensor& x) {
  const bool usable = !CallObserver::active() && x.dtype() == DType::float32 && x.rank() == 4;
  return usable ? PreparedLayers::active() : nullptr;
}

// What is added to the result of some modules, and whether a ReLU follows.
struct End {
  Tensor residual = {};
  bool relu = false;
};

// The modules in turn, each convolution with what stands before and behind it, and then `end`.
Tensor infer_in_turn(PreparedLayers& layers, ModuleSpan modules, const Tensor& x, const End& end) {
  Tensor y = x;
  bool ended = false;
  for (std::size_t i = 0; i < modules.size();) {
    auto* const before = get_as<BatchNorm2d>(modules, i);
    const bool normalises = before != nullptr && !before->is_training() &&
                            get_as<ReLU>(modules, i + 1) != nullptr &&
                            get_as<Conv2d>(modules, i + 2) != nullptr;
    const std::size_t at = normalises ? i + 2 : i;
    const auto* const conv = get_as<Conv2d>(modules, at);
    if (conv == nullptr) {
      const std::size_t count =
          before != nullptr && get_as<ReLU>(modules, i + 1) != nullptr ? 2 : 1;
      y = count == 2 ? norm_relu(*before, y) : (*modules[i].second)(y);
      i += count;
      continue;
    }
    i = at + 1;
    auto* norm = get_as<BatchNorm2d>(modules, i);
    if (norm != nullptr && norm->is_training()) norm = nullptr;
    if (norm != nullptr) ++i;
    const bool cut_off = get_as<ReLU>(modules, i) != nullptr;
    if (cut_off) ++i;
    ended = i == modules.size() && !(cut_off && end.residual.defined());
    const Conv2dOperand operand{y, normalises ? before->factors() : BatchNormFactors{}};
    y = layers.get(*conv, norm)(operand, ended ? end.residual : Tensor(),
                                cut_off || (ended && end.relu));
  }
  if (ended) return y;
  if (end.residual.defined()) y = y + end.residual;
  return end.relu ? relu(y) : y;
}

}  // namespace

Tensor apply_in_turn(ModuleSpan modules, const Tensor& x) {
  if (PreparedLayers* const layers = prepared_for(x)) return infer_in_turn(*layers, modules, x, {});
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

Tensor add(Module& path, Module& shortcut, const Tensor& x) {
  const std::optional<ModuleSpan> modules = in_turn(path);
  if (PreparedLayers* const layers = prepared_for(x); layers != nullptr && modules) {
    return infer_in_turn(*layers, *modules, x, {.residual = shortcut(x)});
  }
  const Tensor residual = path(x);  // first, as summaries list it
  return residual + shortcut(x);
}

Tensor add_relu(Module& path, Module& shortcut, const Tensor& x) {
  const std::optional<ModuleSpan> modules = in_turn(path);
  if (PreparedLayers* const layers = prepared_for(x); layers != nullptr && modules) {
    return infer_in_turn(*layers, *modules, x, {.residual = shortcut(x), .relu = true});
  }
  auto* const norm =
      modules && !modules->empty() ? get_as<BatchNorm2d>(*modules, modules->size() - 1) : nullptr;
  if (norm == nullptr || CallObserver::active()) {
    const Tensor residual = path(x);  // first, as summaries list it
    return relu(residual + shortcut(x));
  }
  const Tensor before_norm = apply_in_turn(modules->first(modules->size() - 1), x);
  return norm_add_relu(*norm, before_norm, shortcut(x));
}

}  // namespace resgrad
