#include "core/ops/reduce.h"

#include <algorithm>
#include <numeric>

#include "core/autograd/node.h"
#include "core/ops/arithmetic.h"
#include "core/ops/axes.h"
#include "core/ops/require.h"
#include "core/ops/shaping.h"

namespace resgrad {
namespace {

struct Axes {
  std::vector<bool> is_reduced = {};
  std::vector<std::int64_t> innermost = {};  // all axes, those that are reduced last
  Shape kept_dims = {};                      // the shape with reduced axes of size 1
  Shape out = {};                            // the shape of the result
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
    axes.count *= x.shape()[i];
    axes.kept_dims[i] = 1;
  }
  if (options.keep_dims) axes.out = axes.kept_dims;
  axes.innermost.resize(x.shape().size());
  std::iota(axes.innermost.begin(), axes.innermost.end(), 0);
  std::stable_partition(  // that of std::ranges is none for clang 14
      axes.innermost.begin(), axes.innermost.end(),
      [&](std::int64_t i) { return !is_reduced[static_cast<std::size_t>(i)]; });
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
    const Tensor x = x_.get(*this);
    const Tensor wins = eq(x, y_.get(*this).view(axes_.kept_dims));
    const Tensor ties = sum_along(wins, axes_.is_reduced, 1, axes_.kept_dims);
    return {mul(wins, div(dy.view(axes_.kept_dims), ties))};
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
  const Tensor rows = permute(x.detach(), axes.innermost);
  Tensor y = Tensor::empty(axes.out, x.dtype());
  visit_floating(x.dtype(), "max", [&]<class T>() {
    // a NaN stays, which std::max would drop
    const auto larger = [](T top, T value) { return top > value || top != top ? top : value; };
    const T* row = rows.data<T>();
    for (std::int64_t i = 0; i < y.numel(); ++i, row += axes.count) {
      y.data<T>()[i] = std::accumulate(row + 1, row + axes.count, *row, larger);
    }
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
