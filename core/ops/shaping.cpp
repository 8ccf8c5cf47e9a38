#include "core/ops/shaping.h"

#include <algorithm>
#include <numeric>

#include "core/autograd/node.h"
#include "core/ops/axes.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

Tensor permuted(const Tensor& x, const std::vector<std::size_t>& order) {
  Shape shape;
  Places from;
  const std::vector<std::int64_t> strides = x.strides();
  for (std::size_t axis : order) {
    shape.push_back(x.shape()[axis]);
    from.strides.push_back(strides[axis]);
  }
  Tensor y = Tensor::empty(shape, x.dtype());
  copy_places(y, {0, y.strides()}, x, from, shape);
  return y;
}

struct PermuteNode final : Node {
  explicit PermuteNode(const std::vector<std::size_t>& order) : inverse_(order.size()) {
    for (std::size_t i = 0; i < order.size(); ++i) inverse_[order[i]] = i;
  }
  const char* name() const override { return "permute"; }
  std::vector<Tensor> backward(const Tensor& dy) override { return {permuted(dy, inverse_)}; }
  std::vector<std::size_t> inverse_;
};

// A box inside a tensor: per axis (begin, end, step).
struct Box {
  std::vector<std::array<std::int64_t, 3>> ranges;

  explicit Box(const Shape& whole) {
    for (std::int64_t size : whole) ranges.push_back({0, size, 1});
  }
  Places places_in(const Tensor& whole) const {
    Places places{0, whole.strides()};
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const auto& [begin, end, step] = ranges[i];
      places.first += begin * places.strides[i];
      places.strides[i] *= step;
    }
    return places;
  }
};

// y = x[box]
void extract(Tensor& y, const Tensor& x, const Box& box) {
  copy_places(y, {0, y.strides()}, x, box.places_in(x), y.shape());
}

// y[box] = x
void insert(Tensor& y, const Tensor& x, const Box& box) {
  copy_places(y, box.places_in(y), x, {0, x.strides()}, x.shape());
}

struct SliceNode final : Node {
  SliceNode(const Tensor& x, Box box)
      : x_shape_(x.shape()), x_format_(x.memory_format()), box_(std::move(box)) {}
  const char* name() const override { return "slice"; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    Tensor dx = Tensor::zeros(x_shape_, dy.dtype(), x_format_);
    insert(dx, dy, box_);
    return {dx};
  }
  Shape x_shape_;
  MemoryFormat x_format_;
  Box box_;
};

struct ConcatenateNode final : Node {
  ConcatenateNode(const std::vector<Tensor>& tensors, std::size_t axis) : axis_(axis) {
    for (const Tensor& t : tensors) sizes_.push_back(t.shape()[axis]);
  }
  const char* name() const override { return "concatenate"; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    std::vector<Tensor> grads;
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < sizes_.size(); begin += sizes_[i++]) {
      Tensor dx;
      if (needs_grad(i)) {
        Box box(dy.shape());
        box.ranges[axis_] = {begin, begin + sizes_[i], 1};
        Shape shape = dy.shape();
        shape[axis_] = sizes_[i];
        dx = Tensor::empty(shape, dy.dtype(), dy.memory_format());
        extract(dx, dy, box);
      }
      grads.push_back(dx);
    }
    return grads;
  }
  std::size_t axis_;
  std::vector<std::int64_t> sizes_;
};

struct ZeroPadNode final : Node {
  ZeroPadNode(const Tensor& x, Box box) : x_shape_(x.shape()), box_(std::move(box)) {}
  const char* name() const override { return "zero_pad"; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    Tensor dx = Tensor::empty(x_shape_, dy.dtype(), dy.memory_format());
    extract(dx, dy, box_);
    return {dx};
  }
  Shape x_shape_;
  Box box_;
};

struct ToFormatNode final : Node {
  const char* name() const override { return "to_memory_format"; }
  // the engine brings the gradient into the memory format of the input
  std::vector<Tensor> backward(const Tensor& dy) override { return {dy}; }
};

Tensor converted(const Tensor& x, DType dtype) {
  Tensor y = Tensor::empty(x.shape(), dtype, x.memory_format());
  visit_dtype(x.dtype(), [&]<class From>() {
    visit_dtype(dtype, [&]<class To>() {
      const From* in = x.data<From>();
      std::transform(in, in + x.numel(), y.data<To>(),
                     [](From value) { return converted_value<To>(value); });
    });
  });
  return y;
}

struct ToDtypeNode final : Node {
  explicit ToDtypeNode(const Tensor& x) : x_dtype_(x.dtype()) {}
  const char* name() const override { return "to_dtype"; }
  std::vector<Tensor> backward(const Tensor& dy) override { return {converted(dy, x_dtype_)}; }
  DType x_dtype_;
};

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  const auto unknown = std::ranges::count(shape, -1);
  Shape sizes = shape;
  if (unknown == 1) {
    const auto inferred = std::ranges::find(sizes, -1);
    *inferred = 1;
    const std::int64_t known = numel(sizes, "reshape");
    *inferred = known > 0 ? x.numel() / known : -1;
  }
  require<ShapeError>(unknown <= 1 && numel(sizes, "reshape") == x.numel(),
                      "reshape: shape: expected {} elements as in {}, got {}", x.numel(), x.shape(),
                      shape);
  return to_memory_format(x, MemoryFormat::contiguous).view(std::move(sizes));
}

Tensor flatten(const Tensor& x, std::int64_t start_axis, std::int64_t end_axis) {
  const std::int64_t start = normalise_axis("flatten", start_axis, x.rank());
  const std::int64_t end = normalise_axis("flatten", end_axis, x.rank());
  require<ShapeError>(start <= end, "flatten: axes: expected start <= end, got {} and {} for {}",
                      start_axis, end_axis, x.shape());
  const auto first = x.shape().begin() + start, last = x.shape().begin() + end + 1;
  Shape shape(x.shape().begin(), first);
  shape.push_back(numel(Shape(first, last)));
  shape.insert(shape.end(), last, x.shape().end());
  return reshape(x, shape);
}

Tensor permute(const Tensor& x, const std::vector<std::int64_t>& order) {
  std::vector<std::size_t> axes;
  for (std::int64_t axis : order) {
    axes.push_back(static_cast<std::size_t>(normalise_axis("permute", axis, x.rank())));
  }
  std::vector<std::size_t> expected(x.shape().size());
  std::iota(expected.begin(), expected.end(), std::size_t{0});
  require<ShapeError>(std::ranges::is_permutation(axes, expected),
                      "permute: order: expected a permutation of the axes of {}, got {}", x.shape(),
                      order);
  return record<PermuteNode>(permuted(x, axes), {{"x", x}}, axes);
}

Tensor transpose(const Tensor& x, std::int64_t axis_a, std::int64_t axis_b) {
  std::vector<std::int64_t> order(x.shape().size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::swap(order[static_cast<std::size_t>(normalise_axis("transpose", axis_a, x.rank()))],
            order[static_cast<std::size_t>(normalise_axis("transpose", axis_b, x.rank()))]);
  return permute(x, order);
}

Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end,
             std::int64_t step) {
  const auto i = static_cast<std::size_t>(normalise_axis("slice", axis, x.rank()));
  const std::int64_t size = x.shape()[i];
  const std::int64_t from = begin < 0 ? begin + size : begin, to = end < 0 ? end + size : end;
  require<ShapeError>(0 <= from && from < to && to <= size,
                      "slice: range: expected a non-empty range in [0, {}) of axis {} of {}, got "
                      "[{}, {})",
                      size, axis, x.shape(), begin, end);
  require<ValueError>(step >= 1, "slice: step: expected at least 1, got {}", step);
  Box box(x.shape());
  const std::int64_t used = std::min(step, to - from);  // a longer one takes the first alone, too
  box.ranges[i] = {from, to, used};
  Shape shape = x.shape();
  shape[i] = (to - from - 1) / used + 1;
  Tensor y = Tensor::empty(shape, x.dtype(), x.memory_format());
  extract(y, x, box);
  return record<SliceNode>(y, {{"x", x}}, x, box);
}

Tensor concatenate(const std::vector<Tensor>& tensors, std::int64_t axis) {
  require<ShapeError>(!tensors.empty(), "concatenate: tensors: expected at least one, got none");
  const Tensor& first = tensors[0];
  const auto a = static_cast<std::size_t>(normalise_axis("concatenate", axis, first.rank()));
  Shape shape = first.shape(), expected = first.shape();
  expected[a] = -1;
  shape[a] = 0;
  std::vector<Input> inputs;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string argument = fmt::format("tensors[{}]", i);
    require_shape("concatenate", argument, tensors[i], expected);
    require_dtype("concatenate", argument, tensors[i], first.dtype());
    shape[a] += tensors[i].shape()[a];
    inputs.push_back({"tensor", tensors[i]});
  }
  Tensor y = Tensor::empty(shape, first.dtype(), first.memory_format());
  std::int64_t begin = 0;
  for (const Tensor& t : tensors) {
    Box box(shape);
    box.ranges[a] = {begin, begin + t.shape()[a], 1};
    insert(y, t, box);
    begin += t.shape()[a];
  }
  return record<ConcatenateNode>(y, inputs, tensors, a);
}

Tensor zero_pad(const Tensor& x,
                const std::vector<std::pair<std::int64_t, std::int64_t>>& padding) {
  require<ShapeError>(padding.size() <= x.shape().size(),
                      "zero_pad: padding: expected at most {} pairs for {}, got {}", x.rank(),
                      x.shape(), padding.size());
  Shape shape = x.shape();
  Box box(shape);
  for (std::size_t i = 0; i < padding.size(); ++i) {
    const auto [before, after] = padding[i];
    require_size("zero_pad", "padding", {before, after}, 0);
    box.ranges[i] = {before, before + shape[i], 1};
    shape[i] += before + after;
  }
  Tensor y = Tensor::zeros(shape, x.dtype(), x.memory_format());
  insert(y, x, box);
  return record<ZeroPadNode>(y, {{"x", x}}, x, box);
}

Tensor to_memory_format(const Tensor& x, MemoryFormat format) {
  if (x.memory_format() == format) return x;
  return record<ToFormatNode>(x.detach(format), {{"x", x}});
}

Tensor to_dtype(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = converted(x, dtype);
  if (!is_floating(dtype)) return y;
  return record<ToDtypeNode>(y, {{"x", x}}, x);
}

Tensor Tensor::reshape(const Shape& shape) const {
  return resgrad::reshape(*this, shape);
}
Tensor Tensor::to(MemoryFormat format) const {
  return to_memory_format(*this, format);
}
Tensor Tensor::to(DType dtype) const {
  return to_dtype(*this, dtype);
}

}  // namespace resgrad
