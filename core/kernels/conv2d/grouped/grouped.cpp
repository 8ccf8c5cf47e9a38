// The engine of 3x3 convolutions in narrow groups: decides how each pass is cut.
#include <algorithm>
#include <utility>

#include "core/kernels/conv2d/grouped/grouped.h"
#include "core/kernels/conv2d/kernel_plan.h"
#include "core/kernels/conv2d/workspace.h"
#include "core/kernels/threads.h"

namespace resgrad::kernels {
namespace {

constexpr std::int64_t kBandFloats = 5 * 1024;  // of a copied band: most of an L1 cache of 32 KiB

// Threads share the windows of the channels and, for gradients, shares of the bands with a sum
// each: about so many parts for any number of threads, and at least two sums, since a thread reads
// memory faster where it takes all channels of a pixel.
constexpr std::int64_t kGradientParts = 16, kLeastSums = 2;

// Lines or columns of the source that `results` lines or columns of the result read.
std::int64_t reach(const GroupedPlan& p, std::int64_t results) {
  return p.transposed ? ceil_div(results, p.stride) + 1 : (results - 1) * p.stride + 3;
}

GroupedPlan make_plan(const Conv2dDims& d, Conv2dPass pass) {
  const GroupedKernels<float>& kernels = grouped<float>();
  const bool gradient = pass == Conv2dPass::backward_weight;
  GroupedPlan p{};
  p.n = d.n, p.channels = d.c_in, p.group = d.group_in(), p.stride = d.stride_h;
  p.source_h = d.h_in, p.source_w = d.w_in, p.result_h = d.h_out(), p.result_w = d.w_out();
  if (pass == Conv2dPass::backward_input) {
    std::swap(p.source_h, p.result_h);
    std::swap(p.source_w, p.result_w);
    p.transposed = p.stride != 1;
  }

  constexpr std::int64_t width = kGroupedWindow;
  const std::int64_t tile = kernels.tile_columns;
  p.columns = gradient ? (p.stride == 1 ? p.source_w : 2 * p.result_w)
                       : reach(p, ceil_div(p.result_w, tile) * tile);
  const std::int64_t gradient_line = gradient ? (p.result_w + 2) * width : 0;
  const auto floats = [&](std::int64_t band) {
    return reach(p, band) * p.columns * width + band * gradient_line;
  };
  p.band = 2;
  while (p.band < p.result_h && floats(p.band + 2) <= kBandFloats) p.band += 2;
  // bands of nearly equal height
  p.band = ceil_div(ceil_div(p.result_h, ceil_div(p.result_h, p.band)), 2) * 2;
  p.lines = reach(p, p.band);
  p.windows = ceil_div(p.channels, width);
  const std::int64_t bands = p.n * ceil_div(p.result_h, p.band);
  p.sums = std::min(bands, std::max(kLeastSums, kGradientParts / p.windows));
  p.parts = std::min<std::int64_t>(num_threads(), gradient ? p.sums * p.windows : bands);

  WorkspaceLayout layout;
  p.weights_size = ceil_div(p.channels, kernels.lanes) * 9 * p.group * kernels.lanes;
  p.source_size = p.lines * p.columns * width;
  p.gradient_size = p.band * gradient_line;
  p.weights = layout.add(p.weights_size * (gradient ? p.sums : 1));
  p.source = layout.add(p.source_size * p.parts);
  p.gradient = layout.add(p.gradient_size * p.parts);
  p.floats = layout.size();
  return p;
}

class GroupedConv2d final : public Conv2dEngine<float> {
 public:
  std::string_view name() const override { return "grouped"; }

  bool supports(const Conv2dDims& d, Conv2dPass) const override {
    const std::int64_t width = d.group_in();
    // the others are faster for wide groups where vectors have four lanes
    const std::int64_t widest = 2 * grouped<float>().lanes;
    return d.groups > 1 && (width == 2 || width == 4 || width == 8 || width == 16) &&
           width <= widest && d.group_out() == width && d.k_h == 3 && d.k_w == 3 && d.pad_h == 1 &&
           d.pad_w == 1 && d.dilation_h == 1 && d.dilation_w == 1 && d.stride_h == d.stride_w &&
           d.stride_h <= 2 && d.n > 0 && d.h_in > 0 && d.w_in > 0;
  }

  std::unique_ptr<const Conv2dPlan<float>> plan(const Conv2dDims& d,
                                                Conv2dPass pass) const override {
    const auto& kernels = grouped<float>();
    return std::make_unique<KernelPlan<GroupedPlan>>(pass == Conv2dPass::forward ? kernels.forward
                                                     : pass == Conv2dPass::backward_input
                                                         ? kernels.backward_input
                                                         : kernels.backward_weight,
                                                     std::vector{make_plan(d, pass)});
  }
};

}  // namespace

const Conv2dEngine<float>& grouped_conv2d() {
  static const GroupedConv2d engine;
  return engine;
}

}  // namespace resgrad::kernels
