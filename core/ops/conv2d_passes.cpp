#include "core/ops/conv2d_passes.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/autograd/observer.h"
#include "core/kernels/batch_norm.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

using kernels::Conv2dDims;
using kernels::Conv2dPass;
constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

std::int64_t rows(const Conv2dDims& d) {
  return d.n * d.h_out() * d.w_out();
}

// "3x3 64->128 /2 @32x32": taps, channels, stride unless 1, input size.
std::string describe(const Conv2dDims& d) {
  return fmt::format(
      "{}x{} {}->{}{}{}{} @{}x{}", d.k_h, d.k_w, d.c_in, d.c_out,
      d.groups > 1 ? fmt::format(" g{}", d.groups) : "",
      d.stride_h > 1 || d.stride_w > 1 ? fmt::format(" /{}", std::max(d.stride_h, d.stride_w)) : "",
      d.dilation_h > 1 || d.dilation_w > 1
          ? fmt::format(" d{}", std::max(d.dilation_h, d.dilation_w))
          : "",
      d.h_in, d.w_in);
}

// Every pass reads or writes each of input, weights and output once.
Work work_of(std::string_view op, const Conv2dDims& d, Conv2dPass pass, std::string_view engine,
             std::size_t element_bytes) {
  const std::int64_t elements =
      d.n * d.c_in * d.h_in * d.w_in + d.c_out * d.group_in() * d.k_h * d.k_w + rows(d) * d.c_out;
  return {.name = op,
          .phase = name(pass),
          .flops = 2 * static_cast<double>(d.macs()),
          .bytes = static_cast<double>(elements) * static_cast<double>(element_bytes),
          .engine = engine,
          .shape = describe(d)};
}

// Runs a pass on the engine that is chosen for it (see Conv2dPlan::run()), and reports it. A sum of
// no products (no image or no input channel) is 0 without an engine.
template <class T>
void run(Tensor& result, std::string_view op, const Conv2dDims& d, Conv2dPass pass,
         const kernels::Conv2dInput<T>& source, const T* factor) {
  if (d.macs() == 0) return result.zero_();
  const kernels::Conv2dEngine<T>& engine = kernels::choose_conv2d<T>(d, pass);
  const auto plan = engine.plan(d, pass);
  const Storage workspace(plan->workspace_bytes());
  plan->run(result.data<T>(), source, factor, workspace.data());
  report_conv2d(op, d, pass, engine.name(), sizeof(T));
}

}  // namespace

void check_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const Conv2dOptions& o) {
  require_rank("conv2d", "x", x, 4);
  require_rank("conv2d", "weight", weight, 4);
  require_floating("conv2d", "x", x);
  require_dtype("conv2d", "weight", weight, x.dtype());
  require_size("conv2d", "stride", o.stride, 1);
  require_size("conv2d", "padding", o.padding, 0);
  require_size("conv2d", "dilation", o.dilation, 1);
  require_size("conv2d", "groups", o.groups, 1);
  const std::int64_t c_in = x.dim(1), c_out = weight.dim(0);
  require<ShapeError>(c_in % o.groups == 0,
                      "conv2d: x: expected channels divisible by groups={}, got {}", o.groups,
                      x.shape());
  require<ShapeError>(weight.dim(1) == c_in / o.groups && weight.dim(2) >= 1 && weight.dim(3) >= 1,
                      "conv2d: weight: expected {} for input {} with groups={}, got {}",
                      shape_pattern({-1, c_in / o.groups, -1, -1}), x.shape(), o.groups,
                      weight.shape());
  require<ShapeError>(c_out % o.groups == 0 && c_out >= 1,
                      "conv2d: weight: expected output channels divisible by groups={}, got {}",
                      o.groups, weight.shape());
  require_size("conv2d", "kernel", {weight.dim(2), weight.dim(3)}, 1);
  const auto extent = [](std::int64_t k, std::int64_t dilation) { return dilation * (k - 1) + 1; };
  require<ShapeError>(
      x.dim(2) + 2 * o.padding.h >= extent(weight.dim(2), o.dilation.h) &&
          x.dim(3) + 2 * o.padding.w >= extent(weight.dim(3), o.dilation.w),
      "conv2d: x: expected height and width of at least the kernel {} with dilation "
      "({}, {}), got {} with padding ({}, {})",
      weight.shape(), o.dilation.h, o.dilation.w, x.shape(), o.padding.h, o.padding.w);
  // A gradient of the weights multiplies matrices as long as a line, and BLAS counts with 32 bits.
  const std::int64_t w_out = conv2d_dims(x, weight, o).w_out();
  require<ShapeError>(w_out <= std::numeric_limits<std::int32_t>::max(),
                      "conv2d: x: expected an output of less than 2^31 columns, got {} of {}",
                      w_out, x.shape());
  if (bias.defined()) {
    require_shape("conv2d", "bias", bias, {c_out});
    require_dtype("conv2d", "bias", bias, x.dtype());
  }
}

Conv2dDims conv2d_dims(const Tensor& x, const Tensor& weight, const Conv2dOptions& o) {
  return {.n = x.dim(0),
          .c_in = x.dim(1),
          .h_in = x.dim(2),
          .w_in = x.dim(3),
          .c_out = weight.dim(0),
          .k_h = weight.dim(2),
          .k_w = weight.dim(3),
          .stride_h = o.stride.h,
          .stride_w = o.stride.w,
          .pad_h = o.padding.h,
          .pad_w = o.padding.w,
          .dilation_h = o.dilation.h,
          .dilation_w = o.dilation.w,
          .groups = o.groups};
}

Tensor conv2d_forward(std::string_view op, const Conv2dOperand& x, const Tensor& weight,
                      const Tensor& bias, const Conv2dDims& d) {
  Tensor y = Tensor::empty({d.n, d.c_out, d.h_out(), d.w_out()}, x.x.dtype(), kChannelsLast);
  visit_floating(y.dtype(), "conv2d", [&]<class T>() {
    run<T>(y, op, d, Conv2dPass::forward, conv2d_input<T>(x), weight.data<T>());
    if (bias.defined()) {
      kernels::batch_norm<T>().add_bias(y.data<T>(), bias.data<T>(), rows(d), d.c_out);
      report({.name = "conv2d bias", .phase = "forward", .bytes = 2 * bytes_of(y)});
    }
  });
  return y;
}

Tensor conv2d_backward_input(std::string_view op, const Tensor& dy, const Tensor& weight,
                             const Conv2dDims& d) {
  Tensor dx = Tensor::empty({d.n, d.c_in, d.h_in, d.w_in}, dy.dtype(), kChannelsLast);
  visit_floating(dy.dtype(), "conv2d", [&]<class T>() {
    run<T>(dx, op, d, Conv2dPass::backward_input, {dy.data<T>()}, weight.data<T>());
  });
  return dx;
}

Tensor conv2d_backward_weight(std::string_view op, const Tensor& dy, const Conv2dOperand& x,
                              const Conv2dDims& d) {
  Tensor dw = Tensor::empty({d.c_out, d.group_in(), d.k_h, d.k_w}, dy.dtype());
  visit_floating(dy.dtype(), "conv2d", [&]<class T>() {
    run<T>(dw, op, d, Conv2dPass::backward_weight, conv2d_input<T>(x), dy.data<T>());
  });
  return dw;
}

Tensor conv2d_backward_bias(const Tensor& dy, const Conv2dDims& d) {
  Tensor db = Tensor::empty({d.c_out}, dy.dtype());
  visit_floating(dy.dtype(), "conv2d", [&]<class T>() {
    const auto scratch = static_cast<std::size_t>(kernels::batch_norm_scratch(d.c_out));
    const Storage sums(scratch * sizeof(double));
    kernels::batch_norm<T>().channel_sum(db.data<T>(), dy.data<T>(), rows(d), d.c_out,
                                         reinterpret_cast<double*>(sums.data()));
  });
  report({.name = "conv2d bias", .phase = "backward", .bytes = bytes_of(dy)});
  return db;
}

void report_conv2d(std::string_view op, const Conv2dDims& d, Conv2dPass pass,
                   std::string_view engine, std::size_t element_bytes) {
  if (WorkObserver::active()) report(work_of(op, d, pass, engine, element_bytes));
}

}  // namespace resgrad
