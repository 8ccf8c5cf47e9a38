#include "train/optim/clip.h"

#include <cmath>

#include "core/autograd/observer.h"
#include "core/check.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/norm.h"

namespace resgrad {

double squared_norm(const Tensor& t) {
  double sum = 0;
  visit_floating(t.dtype(), "squared_norm",
                 [&]<class T>() { sum = kernels::squared_norm(t.data<T>(), t.numel()); });
  return sum;
}

double clip_grad_norm(const std::vector<NamedTensor>& parameters, double max_norm) {
  require<ValueError>(std::isfinite(max_norm) && max_norm > 0,
                      "clip_grad_norm: max_norm: expected a finite number above 0, got {}",
                      max_norm);
  double squares = 0, bytes = 0;
  for (const NamedTensor& p : parameters) {
    const Tensor gradient = p.tensor.grad();
    if (!gradient.defined()) continue;
    squares += squared_norm(gradient);
    bytes += bytes_of(gradient);
  }
  const double norm = std::sqrt(squares);
  require<StateError>(std::isfinite(norm), "clip_grad_norm: expected finite gradients, got norm {}",
                      norm);
  const double scale = max_norm / (norm + 1e-6);
  if (scale < 1) {
    for (const NamedTensor& p : parameters) {
      Tensor gradient = p.tensor.grad();
      if (!gradient.defined()) continue;
      gradient.bump_version();
      visit_floating(gradient.dtype(), "clip_grad_norm", [&]<class T>() {
        T* const values = gradient.data<T>();
        kernels::elementwise<T>().scale(values, static_cast<T>(scale), values, gradient.numel());
      });
    }
    bytes *= 3;  // read twice and written
  }
  report({.name = "clip_grad_norm", .phase = "update", .bytes = bytes});
  return norm;
}

}  // namespace resgrad
