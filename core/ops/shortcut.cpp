#include "core/ops/shortcut.h"

#include "core/autograd/node.h"
#include "core/kernels/shortcut.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

using kernels::PadShortcutDims;
constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

struct PadShortcutNode final : Node {
  explicit PadShortcutNode(const PadShortcutDims& d) : dims_(d) {}
  const char* name() const override { return "pad_shortcut"; }
  std::vector<Tensor> backward(const Tensor& dy_any) override {
    const PadShortcutDims& d = dims_;
    const Tensor dy = dy_any.detach(kChannelsLast);
    Tensor dx = Tensor::empty({d.n, d.c, d.h, d.w}, dy.dtype(), kChannelsLast);
    visit_floating(dy.dtype(), "pad_shortcut", [&]<class T>() {
      kernels::pad_shortcut_backward(dx.data<T>(), dy.data<T>(), d);
    });
    return {dx};
  }
  PadShortcutDims dims_;
};

}  // namespace

Tensor pad_shortcut(const Tensor& x_any, const PadShortcutOptions& o) {
  require_rank("pad_shortcut", "x", x_any, 4);
  require_floating("pad_shortcut", "x", x_any);
  require_size("pad_shortcut", "stride", o.stride, 1);
  require_size("pad_shortcut", "channels_before", o.channels_before, 0);
  require_size("pad_shortcut", "channels_after", o.channels_after, 0);
  const Tensor x = x_any.detach(kChannelsLast);
  const PadShortcutDims d{.n = x.dim(0),
                          .c = x.dim(1),
                          .h = x.dim(2),
                          .w = x.dim(3),
                          .stride_h = o.stride.h,
                          .stride_w = o.stride.w,
                          .before = o.channels_before,
                          .after = o.channels_after};
  Tensor y = Tensor::empty({d.n, d.c_out(), d.h_out(), d.w_out()}, x.dtype(), kChannelsLast);
  visit_floating(x.dtype(), "pad_shortcut",
                 [&]<class T>() { kernels::pad_shortcut(y.data<T>(), x.data<T>(), d); });
  return record<PadShortcutNode>(y.detach(x_any.memory_format()), {{"x", x_any}}, d);
}

}  // namespace resgrad
