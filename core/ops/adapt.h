// Tensors as xtensor expressions, in logical order whatever their memory format.
#pragma once

#include "core/tensor.h"
#include "core/xtensor.h"

namespace resgrad {

using XShape = xt::dynamic_shape<std::size_t>;

inline XShape to_xshape(const Shape& shape) {
  return XShape(shape.begin(), shape.end());
}

/// A view of `t`, a Tensor, as an expression of its rank. It must not outlive the storage of `t`.
template <class T, class AnyTensor>
auto adapt(AnyTensor&& t) {
  const auto strides = t.strides();
  return xt::adapt(t.template data<T>(), static_cast<std::size_t>(t.numel()), xt::no_ownership(),
                   to_xshape(t.shape()),
                   xt::dynamic_shape<std::ptrdiff_t>(strides.begin(), strides.end()));
}

}  // namespace resgrad
