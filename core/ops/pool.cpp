#include "core/ops/pool.h"

#include <limits>

#include "core/autograd/node.h"
#include "core/kernels/pool.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

using kernels::Pool2dDims;
constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

Pool2dDims dims_of(std::string_view op, const Tensor& x, const Pool2dOptions& o) {
  require_rank(op, "x", x, 4);
  require_floating(op, "x", x);
  const Pair2d stride = o.stride.value_or(o.kernel);
  require_size(op, "kernel", o.kernel, 1);
  require_size(op, "stride", stride, 1);
  require_size(op, "padding", o.padding, 0);
  require<ValueError>(2 * o.padding.h <= o.kernel.h && 2 * o.padding.w <= o.kernel.w,
                      "{}: padding: expected 0 to half the kernel ({}, {}), got ({}, {})", op,
                      o.kernel.h, o.kernel.w, o.padding.h, o.padding.w);
  require<ShapeError>(x.dim(2) >= 1 && x.dim(3) >= 1,  // else a window could be all padding
                      "{}: x: expected height and width of at least 1, got {}", op, x.shape());
  require<ShapeError>(
      x.dim(2) + 2 * o.padding.h >= o.kernel.h && x.dim(3) + 2 * o.padding.w >= o.kernel.w,
      "{}: x: expected height and width of at least the kernel ({}, {}), got {}", op, o.kernel.h,
      o.kernel.w, x.shape());
  // the place of a maximum in its window is kept in 32 bits
  constexpr std::int64_t kMostPlaces = std::numeric_limits<std::int32_t>::max();
  require<ValueError>(o.kernel.h <= kMostPlaces / o.kernel.w,
                      "{}: kernel: expected a window of at most {} places, got ({}, {})", op,
                      kMostPlaces, o.kernel.h, o.kernel.w);
  return {.n = x.dim(0),
          .c = x.dim(1),
          .h_in = x.dim(2),
          .w_in = x.dim(3),
          .k_h = o.kernel.h,
          .k_w = o.kernel.w,
          .stride_h = stride.h,
          .stride_w = stride.w,
          .pad_h = o.padding.h,
          .pad_w = o.padding.w};
}

Tensor empty_output(const Tensor& x, const Pool2dDims& d) {
  return Tensor::empty({d.n, d.c, d.h_out(), d.w_out()}, x.dtype(), kChannelsLast);
}

Tensor empty_input(const Tensor& dy, const Pool2dDims& d) {
  return Tensor::empty({d.n, d.c, d.h_in, d.w_in}, dy.dtype(), kChannelsLast);
}

struct MaxPoolNode final : Node {
  MaxPoolNode(std::shared_ptr<Storage> argmax, const Pool2dDims& d)
      : argmax_(std::move(argmax)), dims_(d) {}
  const char* name() const override { return "max_pool2d"; }
  double saved_bytes() override { return static_cast<double>(argmax_->bytes()); }
  void release() override { argmax_ = nullptr; }
  std::vector<Tensor> backward(const Tensor& dy_any) override {
    const Tensor dy = dy_any.detach(kChannelsLast);
    Tensor dx = empty_input(dy, dims_);
    visit_floating(dy.dtype(), "max_pool2d", [&]<class T>() {
      kernels::pool<T>().max_backward(dx.data<T>(), dy.data<T>(),
                                      reinterpret_cast<const std::int32_t*>(argmax_->data()),
                                      dims_);
    });
    return {dx};
  }
  std::shared_ptr<Storage> argmax_;
  Pool2dDims dims_;
};

struct AvgPoolNode final : Node {
  explicit AvgPoolNode(const Pool2dDims& d) : dims_(d) {}
  const char* name() const override { return "avg_pool2d"; }
  std::vector<Tensor> backward(const Tensor& dy_any) override {
    const Tensor dy = dy_any.detach(kChannelsLast);
    Tensor dx = empty_input(dy, dims_);
    visit_floating(dy.dtype(), "avg_pool2d", [&]<class T>() {
      kernels::pool<T>().avg_backward(dx.data<T>(), dy.data<T>(), dims_);
    });
    return {dx};
  }
  Pool2dDims dims_;
};

}  // namespace

Tensor max_pool2d(const Tensor& x_any, const Pool2dOptions& options) {
  const Pool2dDims d = dims_of("max_pool2d", x_any, options);
  const Tensor x = x_any.detach(kChannelsLast);
  Tensor y = empty_output(x, d);
  auto argmax =
      std::make_shared<Storage>(static_cast<std::size_t>(y.numel()) * sizeof(std::int32_t));
  visit_floating(x.dtype(), "max_pool2d", [&]<class T>() {
    kernels::pool<T>().max_forward(y.data<T>(), reinterpret_cast<std::int32_t*>(argmax->data()),
                                   x.data<T>(), d);
  });
  return record<MaxPoolNode>(y.detach(x_any.memory_format()), {{"x", x_any}}, argmax, d);
}

Tensor avg_pool2d(const Tensor& x_any, const Pool2dOptions& options) {
  const Pool2dDims d = dims_of("avg_pool2d", x_any, options);
  const Tensor x = x_any.detach(kChannelsLast);
  Tensor y = empty_output(x, d);
  visit_floating(x.dtype(), "avg_pool2d",
                 [&]<class T>() { kernels::pool<T>().avg_forward(y.data<T>(), x.data<T>(), d); });
  return record<AvgPoolNode>(y.detach(x_any.memory_format()), {{"x", x_any}}, d);
}

Tensor global_avg_pool2d(const Tensor& x) {
  require_rank("global_avg_pool2d", "x", x, 4);
  return avg_pool2d(x, {.kernel = {x.dim(2), x.dim(3)}});
}

}  // namespace resgrad
