#include "core/ops/axes.h"

#include <algorithm>
#include <numeric>

#include "core/kernels/sum.h"

namespace resgrad {
namespace {

// The numbers of the axes of `t` in the order in which it lies in memory, the innermost last.
std::vector<std::size_t> memory_order(const Tensor& t) {
  if (t.memory_format() == MemoryFormat::channels_last) return {0, 2, 3, 1};
  std::vector<std::size_t> order(t.shape().size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

}  // namespace

std::vector<kernels::StridedAxis> joined_axes(const Tensor& y, const Shape& shape,
                                              const std::vector<std::int64_t>& strides_a,
                                              const std::vector<std::int64_t>& strides_b) {
  std::vector<kernels::StridedAxis> axes{{1, 0, 0}};
  for (const std::size_t i : memory_order(y)) {
    const kernels::StridedAxis inner{shape[i], strides_a[i], strides_b[i]};
    if (inner.size == 1) continue;
    kernels::StridedAxis& outer = axes.back();
    if (axes.size() > 1 && outer.a == inner.a * inner.size && outer.b == inner.b * inner.size) {
      outer = {outer.size * inner.size, inner.a, inner.b};
    } else {
      axes.push_back(inner);
    }
  }
  if (axes.size() == 1) axes.push_back({1, 0, 0});
  return axes;
}

void copy_places(Tensor& y, const Places& to, const Tensor& x, const Places& from,
                 const Shape& shape) {
  if (std::ranges::count(shape, 0) > 0) return;
  const std::vector<kernels::StridedAxis> axes = joined_axes(y, shape, to.strides, from.strides);
  visit_dtype(x.dtype(), [&]<class T>() {
    kernels::copy_strided(y.data<T>() + to.first, x.data<T>() + from.first, axes.data(),
                          std::ssize(axes));
  });
}

Tensor sum_along(const Tensor& x, const std::vector<bool>& summed, double scale, const Shape& out) {
  if (x.numel() == 0) return Tensor::zeros(out, x.dtype());
  std::vector<kernels::SumAxis> axes{{1, false}};
  std::vector<std::size_t> kept;  // in the order in which they lie in memory
  for (const std::size_t i : memory_order(x)) {
    const kernels::SumAxis inner{x.shape()[i], summed[i]};
    if (!inner.summed) kept.push_back(i);
    if (inner.size == 1) continue;
    kernels::SumAxis& outer = axes.back();
    if (outer.size == 1 || outer.summed == inner.summed) {
      outer = {outer.size * inner.size, inner.summed};
    } else {
      axes.push_back(inner);
    }
  }
  Tensor sums = Tensor::empty({numel(out)}, x.dtype());
  visit_floating(x.dtype(), "sum", [&]<class T>() {
    kernels::sum(sums.data<T>(), x.data<T>(), axes.data(), std::ssize(axes), scale);
  });
  if (std::ranges::is_sorted(kept)) return sums.view(out);
  // brought into the order of the shape
  std::vector<std::int64_t> stride_of(x.shape().size());
  std::int64_t stride = 1;
  for (auto i = kept.rbegin(); i != kept.rend(); stride *= x.shape()[*i++]) stride_of[*i] = stride;
  std::ranges::sort(kept);
  Shape shape;
  Places from;
  for (const std::size_t i : kept) {
    shape.push_back(x.shape()[i]);
    from.strides.push_back(stride_of[i]);
  }
  Tensor y = Tensor::empty(shape, x.dtype());
  copy_places(y, {0, y.strides()}, sums, from, shape);
  return y.view(out);
}

}  // namespace resgrad
