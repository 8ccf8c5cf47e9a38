// The optimiser's pass over a parameter, and the loss.
#include <fmt/format.h>

#include "bench/bench.h"
#include "core/kernels/adamw.h"
#include "core/kernels/sgd.h"
#include "core/kernels/softmax.h"

namespace resgrad::bench {
namespace {

void sgd(benchmark::State& state, std::int64_t n) {
  Tensor w = random_tensor({n}), v = Tensor::zeros({n});
  const Tensor dw = random_tensor({n});
  const kernels::SgdStep step{.lr = 1e-6,
                              .momentum = 0.9,
                              .dampening = 0,
                              .weight_decay = 5e-4,
                              .nesterov = true,
                              .first = false};
  // reads w, v and dw, writes w and v
  measure(state, {.bytes = 5 * sizeof(float) * static_cast<double>(n)}, [&] {
    kernels::sgd<float>().step(w.data<float>(), v.data<float>(), dw.data<float>(), n, step);
  });
}

void adamw(benchmark::State& state, std::int64_t n) {
  Tensor w = random_tensor({n}), m = Tensor::zeros({n}), v = Tensor::zeros({n});
  const Tensor dw = random_tensor({n});
  const kernels::AdamwStep step{.shrink = 1 - 1e-8,
                                .beta1 = 0.9,
                                .beta2 = 0.999,
                                .eps = 1e-8,
                                .step_size = 1e-6,
                                .root_scale = 1};
  // reads w, m, v and dw, writes w, m and v
  measure(state, {.bytes = 7 * sizeof(float) * static_cast<double>(n)}, [&] {
    kernels::adamw<float>().step(w.data<float>(), m.data<float>(), v.data<float>(),
                                 dw.data<float>(), n, step);
  });
}

void cross_entropy(benchmark::State& state, std::int64_t classes) {
  constexpr std::int64_t kRows = 128;
  const Tensor x = random_tensor({kRows, classes});
  Tensor log_probs = Tensor::empty_like(x), dx = Tensor::empty_like(x);
  const Tensor labels = Tensor::zeros({kRows}, DType::int64);
  measure(state, {.images = kRows}, [&] {
    kernels::log_softmax_forward(log_probs.data<float>(), x.data<float>(), kRows, classes);
    benchmark::DoNotOptimize(kernels::cross_entropy_forward(
        log_probs.data<float>(), labels.data<std::int64_t>(), kRows, classes, 0.1));
    kernels::cross_entropy_backward(dx.data<float>(), 1.0f, log_probs.data<float>(),
                                    labels.data<std::int64_t>(), kRows, classes, 0.1);
  });
}

}  // namespace

void add_update_and_loss() {
  for (const std::int64_t n : {16, 36864, 2359296}) {  // a norm, 64 -> 64 and 512 -> 512 of 3x3
    add(fmt::format("sgd/{}", n), [n](benchmark::State& state) { sgd(state, n); });
    add(fmt::format("adamw/{}", n), [n](benchmark::State& state) { adamw(state, n); });
  }
  for (const std::int64_t classes : {10, 100}) {
    add(fmt::format("softmax_cross_entropy/{}", classes),
        [classes](benchmark::State& state) { cross_entropy(state, classes); });
  }
}

}  // namespace resgrad::bench
