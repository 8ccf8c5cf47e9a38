// Row-wise log-softmax and cross entropy on logits [n, c]. Small tensors: one copy for all
// instruction sets, in double where sums are formed.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

/// y[r, :] = x[r, :] - log(sum(exp(x[r, :]))), with the maximum taken out first.
template <class T>
void log_softmax_forward(T* y, const T* x, std::int64_t n, std::int64_t c);

/// dx[r, :] = dy[r, :] - exp(y[r, :]) * sum(dy[r, :]).
template <class T>
void log_softmax_backward(T* dx, const T* dy, const T* y, std::int64_t n, std::int64_t c);

/// The first label outside [0, c), or -1 when there is none: index into `labels`.
std::int64_t find_bad_label(const std::int64_t* labels, std::int64_t n, std::int64_t c);

/// The mean over rows of sum_j -t[r, j] * log_probs[r, j] with the smoothed target
/// t = (1 - smoothing) * onehot(label) + smoothing / c.
template <class T>
T cross_entropy_forward(const T* log_probs, const std::int64_t* labels, std::int64_t n,
                        std::int64_t c, double smoothing);

/// dx[r, j] = dy / n * (exp(log_probs[r, j]) - t[r, j]).
template <class T>
void cross_entropy_backward(T* dx, T dy, const T* log_probs, const std::int64_t* labels,
                            std::int64_t n, std::int64_t c, double smoothing);

}  // namespace resgrad::kernels
