// Naive loops in double on row-major arrays in logical order: what the kernels and operations are
// compared with. Written for the eye, one line of formula each, and never fast.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/conv2d.h"
#include "core/kernels/pool.h"
#include "core/tensor.h"
#include "tests/support/compare.h"

namespace resgrad::testing {

/// A row-major array of doubles.
struct Array {
  Shape shape;
  std::vector<double> values;

  explicit Array(Shape s, double fill = 0)
      : shape(std::move(s)), values(static_cast<std::size_t>(numel(shape)), fill) {}
  Array(const Tensor& t) : shape(t.shape()), values(t.to_vector<double>()) {}  // NOLINT: implicit

  std::size_t flat(const Shape& index) const {
    std::int64_t i = 0;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) i = i * shape[axis] + index[axis];
    return static_cast<std::size_t>(i);
  }
  double& at(const Shape& index) { return values[flat(index)]; }
  double at(const Shape& index) const { return values[flat(index)]; }
};

inline Comparison all_close(const Tensor& got, const Array& want, double tolerance = 0) {
  if (!got.defined()) return {false, "the tensor is undefined"};
  if (got.shape() != want.shape) {
    return {false, fmt::format("shape {}, expected {}", got.shape(), want.shape)};
  }
  return all_close(got, want.values, tolerance);
}

/// Calls f(index) for every index of `shape`, in row-major order.
template <class F>
void for_each_index(const Shape& shape, F&& f) {
  for (std::int64_t i = 0; i < numel(shape); ++i) f(unravel(i, shape));
}

// ---- convolution --------------------------------------------------------------------------------

// Calls f(x index, w index, y index) for every product of a convolution.
template <class F>
void for_each_product(const kernels::Conv2dDims& d, F&& f) {
  for (std::int64_t n = 0; n < d.n; ++n)
    for (std::int64_t o = 0; o < d.c_out; ++o)
      for (std::int64_t i = 0; i < d.h_out(); ++i)
        for (std::int64_t j = 0; j < d.w_out(); ++j)
          for (std::int64_t c = 0; c < d.group_in(); ++c)
            for (std::int64_t p = 0; p < d.k_h; ++p)
              for (std::int64_t q = 0; q < d.k_w; ++q) {
                const std::int64_t h = i * d.stride_h - d.pad_h + p * d.dilation_h;
                const std::int64_t w = j * d.stride_w - d.pad_w + q * d.dilation_w;
                if (h < 0 || h >= d.h_in || w < 0 || w >= d.w_in) continue;
                f(Shape{n, o / d.group_out() * d.group_in() + c, h, w}, Shape{o, c, p, q},
                  Shape{n, o, i, j});
              }
}

inline Array naive_conv2d(const Array& x, const Array& w, const kernels::Conv2dDims& d) {
  Array y({d.n, d.c_out, d.h_out(), d.w_out()});
  for_each_product(d, [&](const Shape& xi, const Shape& wi, const Shape& yi) {
    y.at(yi) += x.at(xi) * w.at(wi);
  });
  return y;
}

inline Array naive_conv2d_backward_input(const Array& dy, const Array& w,
                                         const kernels::Conv2dDims& d) {
  Array dx({d.n, d.c_in, d.h_in, d.w_in});
  for_each_product(d, [&](const Shape& xi, const Shape& wi, const Shape& yi) {
    dx.at(xi) += dy.at(yi) * w.at(wi);
  });
  return dx;
}

inline Array naive_conv2d_backward_weight(const Array& dy, const Array& x,
                                          const kernels::Conv2dDims& d) {
  Array dw({d.c_out, d.group_in(), d.k_h, d.k_w});
  for_each_product(d, [&](const Shape& xi, const Shape& wi, const Shape& yi) {
    dw.at(wi) += dy.at(yi) * x.at(xi);
  });
  return dw;
}

// ---- pooling ------------------------------------------------------------------------------------

// Calls f(x index) for the positions of the window of y index `o` that lie inside the image.
template <class F>
void for_each_in_window(const Shape& o, const kernels::Pool2dDims& d, F&& f) {
  for (std::int64_t i = 0; i < d.k_h; ++i)
    for (std::int64_t j = 0; j < d.k_w; ++j) {
      const std::int64_t h = o[2] * d.stride_h - d.pad_h + i, w = o[3] * d.stride_w - d.pad_w + j;
      if (h >= 0 && h < d.h_in && w >= 0 && w < d.w_in) f(Shape{o[0], o[1], h, w});
    }
}

inline Array naive_max_pool(const Array& x, const kernels::Pool2dDims& d) {
  Array y({d.n, d.c, d.h_out(), d.w_out()}, -std::numeric_limits<double>::infinity());
  for_each_index(y.shape, [&](const Shape& o) {
    for_each_in_window(o, d, [&](const Shape& i) { y.at(o) = std::max(y.at(o), x.at(i)); });
  });
  return y;
}

/// For an x whose elements all differ.
inline Array naive_max_pool_backward(const Array& dy, const Array& x,
                                     const kernels::Pool2dDims& d) {
  const Array y = naive_max_pool(x, d);
  Array dx(x.shape);
  for_each_index(y.shape, [&](const Shape& o) {
    for_each_in_window(o, d, [&](const Shape& i) {
      if (x.at(i) == y.at(o)) dx.at(i) += dy.at(o);
    });
  });
  return dx;
}

inline Array naive_avg_pool(const Array& x, const kernels::Pool2dDims& d) {
  Array y({d.n, d.c, d.h_out(), d.w_out()});
  for_each_index(y.shape, [&](const Shape& o) {
    for_each_in_window(
        o, d, [&](const Shape& i) { y.at(o) += x.at(i) / static_cast<double>(d.k_h * d.k_w); });
  });
  return y;
}

inline Array naive_avg_pool_backward(const Array& dy, const kernels::Pool2dDims& d) {
  Array dx({d.n, d.c, d.h_in, d.w_in});
  for_each_index(dy.shape, [&](const Shape& o) {
    for_each_in_window(
        o, d, [&](const Shape& i) { dx.at(i) += dy.at(o) / static_cast<double>(d.k_h * d.k_w); });
  });
  return dx;
}

// ---- batch normalisation ------------------------------------------------------------------------

struct Moments {
  std::vector<double> mean, var;  // per channel, biased
};

/// In two passes, so that a large mean does no harm.
inline Moments naive_moments(const Array& x) {
  const auto channels = static_cast<std::size_t>(x.shape[1]);
  const double m = static_cast<double>(numel(x.shape)) / static_cast<double>(channels);
  Moments s{std::vector<double>(channels), std::vector<double>(channels)};
  const auto channel = [](const Shape& i) { return static_cast<std::size_t>(i[1]); };
  for_each_index(x.shape, [&](const Shape& i) { s.mean[channel(i)] += x.at(i) / m; });
  for_each_index(x.shape, [&](const Shape& i) {
    s.var[channel(i)] += std::pow(x.at(i) - s.mean[channel(i)], 2) / m;
  });
  return s;
}

inline Array naive_batch_norm(const Array& x, const Moments& s, const Array& weight,
                              const Array& bias, double eps) {
  Array y(x.shape);
  for_each_index(x.shape, [&](const Shape& i) {
    const auto c = static_cast<std::size_t>(i[1]);
    y.at(i) = weight.values[c] * (x.at(i) - s.mean[c]) / std::sqrt(s.var[c] + eps) + bias.values[c];
  });
  return y;
}

struct BatchNormGrads {
  Array dx, dweight, dbias;
};

/// With g = dy * weight: dx = (g - mean(g) - xhat * mean(g * xhat)) / std, the means being over
/// (N, H, W); in evaluation dx = g / std.
inline BatchNormGrads naive_batch_norm_backward(const Array& dy, const Array& x, const Moments& s,
                                                const Array& weight, double eps, bool training) {
  BatchNormGrads grads{Array(x.shape), Array(weight.shape), Array(weight.shape)};
  const double m = static_cast<double>(numel(x.shape)) / static_cast<double>(x.shape[1]);
  const auto xhat = [&](const Shape& i) {
    const auto c = static_cast<std::size_t>(i[1]);
    return (x.at(i) - s.mean[c]) / std::sqrt(s.var[c] + eps);
  };
  for_each_index(x.shape, [&](const Shape& i) {
    grads.dbias.at({i[1]}) += dy.at(i);
    grads.dweight.at({i[1]}) += dy.at(i) * xhat(i);
  });
  for_each_index(x.shape, [&](const Shape& i) {
    const Shape c{i[1]};
    const double centred =
        training ? dy.at(i) - grads.dbias.at(c) / m - xhat(i) * grads.dweight.at(c) / m : dy.at(i);
    grads.dx.at(i) =
        weight.at(c) * centred / std::sqrt(s.var[static_cast<std::size_t>(i[1])] + eps);
  });
  return grads;
}

// ---- rows of logits -----------------------------------------------------------------------------

inline Array naive_log_softmax(const Array& x) {
  Array y(x.shape);
  for_each_index(x.shape, [&](const Shape& i) {
    double sum = 0;  // exp(x_k - x_i): stable for what the tests use
    for (std::int64_t k = 0; k < x.shape[1]; ++k) sum += std::exp(x.at({i[0], k}) - x.at(i));
    y.at(i) = -std::log(sum);
  });
  return y;
}

// ---- elementwise, reductions, shaping -----------------------------------------------------------

/// f(a, b) under NumPy's broadcasting rules.
template <class F>
Array naive_broadcast(const Array& a, const Array& b, F&& f) {
  Array y(broadcast_shapes("naive", a.shape, b.shape));
  const auto element = [&](const Array& t, const Shape& index) {
    Shape own(t.shape.size());
    for (std::size_t i = 0; i < own.size(); ++i) {
      own[i] = t.shape[i] == 1 ? 0 : index[index.size() - own.size() + i];
    }
    return t.at(own);
  };
  for_each_index(y.shape, [&](const Shape& i) { y.at(i) = f(element(a, i), element(b, i)); });
  return y;
}

/// Folds `f` over the axes with is_reduced set, which stay with size 1.
template <class F>
Array naive_reduce(const Array& x, const std::vector<bool>& is_reduced, double start, F&& f) {
  const auto target = [&](Shape index) {
    for (std::size_t i = 0; i < index.size(); ++i) index[i] = is_reduced[i] ? 0 : index[i];
    return index;
  };
  Shape shape = x.shape;
  for (std::size_t i = 0; i < shape.size(); ++i) shape[i] = is_reduced[i] ? 1 : shape[i];
  Array y(shape, start);
  for_each_index(x.shape, [&](const Shape& i) { y.at(target(i)) = f(y.at(target(i)), x.at(i)); });
  return y;
}

inline Array naive_permute(const Array& x, const std::vector<std::int64_t>& order) {
  Shape shape;
  for (std::int64_t axis : order) shape.push_back(x.shape[static_cast<std::size_t>(axis)]);
  Array y(shape);
  for_each_index(shape, [&](const Shape& i) {
    Shape from(i.size());
    for (std::size_t k = 0; k < i.size(); ++k) from[static_cast<std::size_t>(order[k])] = i[k];
    y.at(i) = x.at(from);
  });
  return y;
}

/// y of shape `shape` with y[i] = x[begin + i * step]; positions outside of x give 0. Slices (step
/// of at least 1) and padding (negative begin) in one.
inline Array naive_window(const Array& x, const Shape& shape, const Shape& begin,
                          const Shape& step) {
  Array y(shape);
  for_each_index(shape, [&](const Shape& i) {
    Shape from(i.size());
    bool inside = true;
    for (std::size_t k = 0; k < i.size(); ++k) {
      from[k] = begin[k] + i[k] * step[k];
      inside = inside && from[k] >= 0 && from[k] < x.shape[k];
    }
    y.at(i) = inside ? x.at(from) : 0;
  });
  return y;
}

}  // namespace resgrad::testing
