#include "core/ops/conv2d.h"

#include "core/autograd/node.h"
#include "core/ops/conv2d_passes.h"

namespace resgrad {
namespace {

constexpr const char* kOp = "conv2d";
constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

struct Conv2dNode final : Node {
  Conv2dNode(const Tensor& x, const Tensor& weight, const kernels::Conv2dDims& d)
      : x_(x), weight_(weight), dims_(d) {}
  const char* name() const override { return kOp; }
  bool reports_itself() const override { return true; }
  std::vector<SavedTensor*> saved() override { return {&x_, &weight_}; }

  std::vector<Tensor> backward(const Tensor& dy_any) override {
    const Tensor weight = weight_.get(*this), dy = dy_any.detach(kChannelsLast);
    Tensor dx, dw, db;
    if (needs_grad(0)) dx = conv2d_backward_input(kOp, dy, weight, dims_);
    if (needs_grad(1)) dw = conv2d_backward_weight(kOp, dy, {x_.get(*this)}, dims_);
    if (needs_grad(2)) db = conv2d_backward_bias(dy, dims_);
    return {dx, dw, db};
  }

  SavedTensor x_;  // in channels_last
  SavedTensor weight_;
  kernels::Conv2dDims dims_;
};

}  // namespace

Tensor conv2d(const Tensor& x_any, const Tensor& weight, const Tensor& bias,
              const Conv2dOptions& options) {
  check_conv2d(x_any, weight, bias, options);
  const kernels::Conv2dDims d = conv2d_dims(x_any, weight, options);
  const Tensor x = x_any.detach(kChannelsLast);
  const Tensor w = weight.detach(MemoryFormat::contiguous);
  const Tensor y = conv2d_forward(kOp, {x}, w, bias, d);
  return record<Conv2dNode>(y.detach(x_any.memory_format()),
                            {{"x", x_any}, {"weight", weight}, {"bias", bias}}, x, w, d);
}

}  // namespace resgrad
