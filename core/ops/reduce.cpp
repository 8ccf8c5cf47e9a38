#include "core/ops/reduce.h"

#include <algorithm>
#include <limits>

#include "core/autograd/node.h"
#include "core/ops/adapt.h"
#include "core/ops/arithmetic.h"
#include "core/ops/axes.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

struct Axes {
  std::vector<std::size_t> reduced = {};
  std::vector<bool> is_reduced = {};
  Shape kept_dims = {};  // the shape with reduced axes of size 1
  Shape out = {};        // the shape of the result
  std::int64_t count = 1;
};

Axes resolve(std::string_view op, const Tensor& x, const ReduceOptions& options) {
  require_floating(op, "x", x);
  std::vector<bool> is_reduced(x.shape().size(), options.axes.empty());
  for (std::int64_t axis : options.axes) {
    const auto i = static_cast<std::size_t>(normalise_axis(op, axis, x.rank()));
    require<ShapeError>(!is_reduced[i], "{}: axes: expected each axis once, got {}", op,
                        options.axes);
    is_reduced[i] = true;
  }
  Axes axes{.is_reduced = is_reduced, .kept_dims = x.shape()};
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    if (!is_reduced[i]) {
      axes.out.push_back(x.shape()[i]);
      continue;
    }
    axes.reduced.push_back(i);
    axes.count *= x.shape()[i];
    axes.kept_dims[i] = 1;
  }
  if (options.keep_dims) axes.out = axes.kept_dims;
  return axes;
}

void require_not_empty(std::string_view op, const Tensor& x, const Axes& axes) {
  require<ShapeError>(axes.count > 0, "{}: x: expected at least one element to reduce, got {}", op,
                      x.shape());
}

struct SumNode final : Node {
  SumNode(const char* op, const Tensor& x, const Axes& axes, double scale)
      : op_(op),
        x_shape_(x.shape()),
        x_format_(x.memory_format()),
        kept_dims_(axes.kept_dims),
        scale_(scale) {}
  const char* name() const override { return op_; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor scaled = (scale_ == 1 ? dy : dy * scale_).view(kept_dims_);
    Tensor dx = Tensor::empty(x_shape_, dy.dtype(), x_format_);
    Places repeated{0, scaled.strides()};
    for (std::size_t i = 0; i < kept_dims_.size(); ++i) {
      if (kept_dims_[i] == 1) repeated.strides[i] = 0;
    }
    copy_places(dx, {0, dx.strides()}, scaled, repeated, x_shape_);
    return {dx};
  }
  const char* op_;
  Shape x_shape_;
  MemoryFormat x_format_;
  Shape kept_dims_;
  double scale_;
};

struct MaxNode final : Node {
  MaxNode(const Tensor& x, const Tensor& y, const Axes& axes) : x_(x), y_(y), axes_(axes) {}
  const char* name() const override { return "max"; }
  std::vector<SavedTensor*> saved() override { return {&x_, &y_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor x = x_.get(*this), y = y_.get(*this).view(axes_.kept_dims);
    Tensor dx = Tensor::empty_like(x);
    if (dx.numel() == 0) return {dx};
    visit_floating(x.dtype(), "max", [&]<class T>() {
      const xt::xarray<T> wins = xt::cast<T>(xt::equal(adapt<T>(x), adapt<T>(y)));
      xt::xarray<T> share = adapt<T>(dy.view(axes_.kept_dims));
      if (!axes_.reduced.empty()) {
        xt::xarray<T> ties = xt::sum(wins, axes_.reduced);
        ties.reshape(to_xshape(axes_.kept_dims));
        share /= ties;
      }
      auto out = adapt<T>(dx);
      xt::noalias(out) = wins * share;
    });
    return {dx};
  }
  SavedTensor x_, y_;
  Axes axes_;
};

}  // namespace

Tensor sum(const Tensor& x, const ReduceOptions& options) {
  const Axes axes = resolve("sum", x, options);
  return record<SumNode>(sum_along(x, axes.is_reduced, 1, axes.out), {{"x", x}}, "sum", x, axes,
                         1.0);
}

Tensor mean(const Tensor& x, const ReduceOptions& options) {
  const Axes axes = resolve("mean", x, options);
  require_not_empty("mean", x, axes);
  const double scale = 1 / static_cast<double>(axes.count);
  return record<SumNode>(sum_along(x, axes.is_reduced, scale, axes.out), {{"x", x}}, "mean", x,
                         axes, scale);
}

Tensor max(const Tensor& x, const ReduceOptions& options) {
  const Axes axes = resolve("max", x, options);
  require_not_empty("max", x, axes);
  Tensor y = Tensor::empty(axes.out, x.dtype());
  visit_floating(x.dtype(), "max", [&]<class T>() {
    if (x.numel() == 0) return;
    if (axes.reduced.empty()) {
      y.copy_(x);
      return;
    }
    // not xt::amax: it starts at the lowest finite value and drops NaN
    const auto larger = [](T top, T value) { return top > value || top != top ? top : value; };
    const T lowest = -std::numeric_limits<T>::infinity();
    const xt::xarray<T> tops = xt::reduce(
        xt::make_xreducer_functor(larger, xt::const_value<T>(lowest)), adapt<T>(x), axes.reduced);
    std::copy(tops.begin(), tops.end(), y.data<T>());
  });
  return record<MaxNode>(y, {{"x", x}}, x, y, axes);
}

Tensor Tensor::sum() const {
  return resgrad::sum(*this);
}
Tensor Tensor::mean() const {
  return resgrad::mean(*this);
}

}  // namespace resgrad
