// Which layers join in one operation (core/ops/fused): the same result in fewer passes over memory.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "nn/module.h"

namespace resgrad {

/// Modules in their order, as Module::children() gives them.
using ModuleSpan = std::span<const std::pair<std::string, ModulePtr>>;

/// modules[n - 1](... modules[0](x)). A BatchNorm2d with a ReLU right behind it runs as one
/// operation, with the Conv2d behind both if there is one: the same bits, with a convolution the
/// same up to rounding. While a CallObserver is active, each module is called by itself; one with
/// Module::call_through() always is. In a call of an InferenceNet more is joined: see
/// nn/inference.h.
Tensor apply_in_turn(ModuleSpan modules, const Tensor& x);

/// path(x) + shortcut(x), the end of a pre-activation block. A path that is a Sequential may join
/// as above.
Tensor add(Module& path, Module& shortcut, const Tensor& x);

/// relu(path(x) + shortcut(x)), the end of a post-activation block. Where the path is a
/// Sequential or the like that ends with a BatchNorm2d, that adds and cuts off in its own pass over
/// memory: the same bits. While a CallObserver is active, each is called by itself.
Tensor add_relu(Module& path, Module& shortcut, const Tensor& x);

}  // namespace resgrad
