#include "core/kernels/softmax.h"

#include <algorithm>
#include <cmath>

namespace resgrad::kernels {

template <class T>
void log_softmax_forward(T* y, const T* x, std::int64_t n, std::int64_t c) {
  for (std::int64_t r = 0; r < n; ++r) {
    const T* in = x + r * c;
    const T top = *std::max_element(in, in + c);
    double sum = 0;
    for (std::int64_t j = 0; j < c; ++j) sum += std::exp(static_cast<double>(in[j] - top));
    // not in[j] - (top + log(sum)): that loses the digits of the difference for large logits
    const T log_sum = static_cast<T>(std::log(sum));
    for (std::int64_t j = 0; j < c; ++j) y[r * c + j] = (in[j] - top) - log_sum;
  }
}

template <class T>
void log_softmax_backward(T* dx, const T* dy, const T* y, std::int64_t n, std::int64_t c) {
  for (std::int64_t r = 0; r < n; ++r) {
    double sum = 0;
    for (std::int64_t j = r * c; j < (r + 1) * c; ++j) sum += static_cast<double>(dy[j]);
    for (std::int64_t j = r * c; j < (r + 1) * c; ++j) {
      dx[j] = dy[j] - std::exp(y[j]) * static_cast<T>(sum);
    }
  }
}

std::int64_t find_bad_label(const std::int64_t* labels, std::int64_t n, std::int64_t c) {
  const auto* bad =
      std::find_if(labels, labels + n, [c](std::int64_t label) { return label < 0 || label >= c; });
  return bad == labels + n ? -1 : bad - labels;
}

template <class T>
T cross_entropy_forward(const T* log_probs, const std::int64_t* labels, std::int64_t n,
                        std::int64_t c, double smoothing) {
  double total = 0;
  for (std::int64_t r = 0; r < n; ++r) {
    const T* row = log_probs + r * c;
    double all = 0;
    if (smoothing > 0) {  // else a class of log-probability -inf would give 0 * inf
      for (std::int64_t j = 0; j < c; ++j) all += static_cast<double>(row[j]);
    }
    total -= (1 - smoothing) * static_cast<double>(row[labels[r]]) +
             smoothing / static_cast<double>(c) * all;
  }
  return static_cast<T>(total / static_cast<double>(n));
}

template <class T>
void cross_entropy_backward(T* dx, T dy, const T* log_probs, const std::int64_t* labels,
                            std::int64_t n, std::int64_t c, double smoothing) {
  const T scale = dy / static_cast<T>(n);
  const T rest = static_cast<T>(smoothing / static_cast<double>(c));
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t j = 0; j < c; ++j) {
      const T target = rest + (j == labels[r] ? static_cast<T>(1 - smoothing) : T{0});
      dx[r * c + j] = scale * (std::exp(log_probs[r * c + j]) - target);
    }
  }
}

#define RESGRAD_INSTANTIATE(T)                                                                \
  template void log_softmax_forward(T*, const T*, std::int64_t, std::int64_t);                \
  template void log_softmax_backward(T*, const T*, const T*, std::int64_t, std::int64_t);     \
  template T cross_entropy_forward(const T*, const std::int64_t*, std::int64_t, std::int64_t, \
                                   double);                                                   \
  template void cross_entropy_backward(T*, T, const T*, const std::int64_t*, std::int64_t,    \
                                       std::int64_t, double);
RESGRAD_INSTANTIATE(float)
RESGRAD_INSTANTIATE(double)

}  // namespace resgrad::kernels
