#include "core/autograd/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "core/autograd/grad_mode.h"
#include "core/random.h"

namespace resgrad {
namespace {

std::vector<double> values_in_memory_order(const Tensor& t) {
  return visit_floating(t.dtype(), "gradcheck", [&]<class T>() {
    const auto* data = t.data<T>();
    return std::vector<double>(data, data + t.numel());
  });
}

// The gradients of sum(f(inputs) * r) by backward, in `dtype`; zeros where there is none.
std::vector<Tensor> analytic_gradients(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                                       const std::vector<Tensor>& inputs, const Tensor& r,
                                       DType dtype) {
  std::vector<Tensor> xs;
  for (const Tensor& input : inputs) {
    xs.push_back(input.detach().to(dtype).clone().set_requires_grad());
  }
  f(xs).backward(r.to(dtype));
  std::vector<Tensor> gradients;
  for (const Tensor& x : xs) {
    gradients.push_back(x.grad().defined() ? x.grad() : Tensor::zeros_like(x));
  }
  return gradients;
}

void set_element(Tensor& t, std::int64_t i, double value) {
  t.bump_version();
  visit_floating(t.dtype(), "gradcheck",
                 [&]<class T>() { t.data<T>()[i] = static_cast<T>(value); });
}

}  // namespace

std::string GradcheckResult::explain() const {
  return fmt::format(
      "{}: {} elements, largest relative error {:.2e} at input {} element {}: "
      "analytic {:.10g}, numeric {:.10g}",
      ok ? "ok" : "WRONG", checked, max_rel_error, input, index, analytic, numeric);
}

GradcheckResult gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                          const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  std::vector<Tensor> xs;
  for (const Tensor& input : inputs) xs.push_back(input.detach().clone());
  const auto evaluate = [&] {
    const NoGradGuard no_grad;
    return f(xs);
  };
  const Tensor y = evaluate();
  Random random(options.seed, Purpose::test);
  const Tensor r = Tensor::rand(y.shape(), random, -1, 1, y.dtype(), y.memory_format());
  const std::vector<double> weights = values_in_memory_order(r);
  const std::vector<Tensor> gradients =
      analytic_gradients(f, inputs, r, options.analytic_dtype.value_or(y.dtype()));

  GradcheckResult result;
  for (std::size_t input = 0; input < xs.size(); ++input) {
    Tensor& x = xs[input];
    const std::vector<double> analytic = values_in_memory_order(gradients[input]);
    const std::vector<double> at = values_in_memory_order(x);
    std::vector<double> numeric(at.size());
    for (std::size_t i = 0; i < at.size(); ++i) {
      const auto index = static_cast<std::int64_t>(i);
      set_element(x, index, at[i] + options.h);
      const std::vector<double> above = values_in_memory_order(evaluate());
      set_element(x, index, at[i] - options.h);
      const std::vector<double> below = values_in_memory_order(evaluate());
      set_element(x, index, at[i]);
      // differences first: outputs that do not depend on this element cancel exactly
      for (std::size_t j = 0; j < weights.size(); ++j) {
        numeric[i] += (above[j] - below[j]) * weights[j];
      }
      numeric[i] /= 2 * options.h;
    }
    double largest = 0;
    for (double g : analytic) largest = std::max(largest, std::abs(g));
    for (double g : numeric) largest = std::max(largest, std::abs(g));
    // where all gradients vanish (a bias before batch norm), 1e-3 is the scale of nothing
    const double floor = std::max(0.01 * largest, 1e-3);
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double scale = std::max({std::abs(analytic[i]), std::abs(numeric[i]), floor});
      const double error = std::abs(analytic[i] - numeric[i]) / scale;
      ++result.checked;
      if (error > result.max_rel_error || std::isnan(error)) {
        result.max_rel_error = error;
        result.input = input;
        result.index = static_cast<std::int64_t>(i);
        result.analytic = analytic[i];
        result.numeric = numeric[i];
      }
      if (std::isnan(error)) break;
    }
    if (std::isnan(result.max_rel_error)) break;
  }
  result.ok = result.max_rel_error <= options.rtol;
  return result;
}

}  // namespace resgrad
