// The engine of convolutions as implicit matrix products: describes each pass as one or more
// grids of taps, and decides how they are cut.
#include <algorithm>
#include <bit>

#include "core/kernels/conv2d/direct/direct.h"
#include "core/kernels/conv2d/kernel_plan.h"
#include "core/kernels/conv2d/workspace.h"
#include "core/kernels/threads.h"

namespace resgrad::kernels {
namespace {

constexpr std::int64_t kGatheredFloats = 48 * 1024;  // of a block of rows: a fifth of an L2 cache
// Rows for gradients, where each block adds once to all of the sums: as many as leave the panel of
// gradients in the L1 cache.
constexpr std::int64_t kGradientRows = 240;
constexpr std::int64_t kUnitDepth = 256;  // of packed pixels, which stay in the L2 cache
constexpr std::int64_t kLineDepth = 512;  // lines of taps are gathered together up to here

// Threads share the units of a gradient, and shares of the rows with a sum each. A sum costs that
// it is written and read once more, which counts where its rows are few. Where units are few, and
// sums thus small, they may be shorter, until there are some parts to share.
constexpr std::int64_t kMostSums = 16, kRowsOfSum = 2048;
constexpr std::int64_t kWantedParts = 8, kRowsOfSmallSum = 1024;

// How a gradient is cut: by its shape alone, so that its bits do not depend on the threads.
void cut_gradient(DirectPlan& p, std::int64_t rows) {
  const TapGrid& g = p.grid;
  const std::int64_t line = g.taps_w * g.channels, last_lines = g.taps_h % p.lines;
  const std::int64_t pieces = g.taps_h / p.lines * ceil_div(p.lines * line, p.unit_depth) +
                              ceil_div(last_lines * line, p.unit_depth);
  p.units = pieces * ceil_div(p.target.columns, direct<float>().panel);
  const std::int64_t units = p.groups * p.units;
  const std::int64_t small_sums = std::min(kWantedParts / units, rows / kRowsOfSmallSum);
  const std::int64_t most_sums = std::max<std::int64_t>(1, kMostSums / p.groups);
  const std::int64_t sums = std::clamp<std::int64_t>(rows / kRowsOfSum, 1, most_sums);
  // a power of two, which most numbers of threads divide
  p.sums = static_cast<std::int64_t>(
      std::bit_floor(static_cast<std::uint64_t>(std::max(sums, small_sums))));
  p.parts = std::min<std::int64_t>(num_threads(), p.sums * units);
}

// Fills in how the product over plan.grid is cut and laid out.
void lay_out(DirectPlan& p, Conv2dPass pass, bool prepared = false) {
  const bool gradient = pass == Conv2dPass::backward_weight;
  const TapGrid& g = p.grid;
  const std::int64_t rows = g.n * g.grid_h * g.grid_w, line = g.taps_w * g.channels;
  p.lines = std::clamp<std::int64_t>(kLineDepth / std::max<std::int64_t>(1, line), 1,
                                     std::max<std::int64_t>(1, g.taps_h));
  p.gathered_row = padded_row(p.lines * line + (g.channels % 16 == 0 ? 0 : 15));  // see copy_over()
  p.result_row = padded_row(p.target.columns);
  p.block = gradient ? kGradientRows
                     : std::clamp<std::int64_t>(kGatheredFloats / p.gathered_row / 24 * 24, 24, 96);
  p.block = std::min(p.block, rows);

  // Threads that blocks do not keep busy share columns too; each gathers the same pixels then.
  const std::int64_t threads = num_threads(), items = p.groups * ceil_div(rows, p.block);
  const std::int64_t panels = ceil_div(p.target.columns, direct<float>().panel);
  p.column_parts = threads == 1 ? 1 : std::clamp<std::int64_t>(2 * threads / items, 1, panels);
  p.parts = std::min(threads, items * p.column_parts);

  const bool pointwise = g.taps_h == 1 && g.taps_w == 1 && g.step_h == 1 && g.step_w == 1;
  p.in_place = pointwise && g.first_h == 0 && g.first_w == 0 && g.grid_h == g.source_h &&
               g.grid_w == g.source_w;
  // of several groups, too: rows of dy are then a large power of two apart
  p.packs_gradients =
      gradient && (p.groups > 1 || p.target.columns > direct<float>().unpacked_columns);
  WorkspaceLayout layout;
  p.packed_size = (g.taps_h * line * p.target.columns + 15) / 16 * 16;
  p.gathered_size = p.block * p.gathered_row;
  p.unit_depth = std::clamp<std::int64_t>(p.lines * line, 1, kUnitDepth);
  if (gradient) cut_gradient(p, rows);
  p.tiles_size = p.packs_gradients ? p.block * p.unit_depth + 16 : 0;   // see pack_tiles()
  p.result_size = p.packs_gradients ? (p.block + 1) * p.target.columns  // see gradient_panel()
                  : gradient        ? 0
                                    : p.block * p.result_row;
  p.packed = layout.add(prepared ? 0 : p.packed_size * p.groups * (gradient ? p.sums : 1));
  p.gathered = layout.add(p.gathered_size * p.parts);
  p.tiles = layout.add(p.tiles_size * p.parts);
  p.result = layout.add(p.result_size * p.parts);
  p.floats = layout.size();
}

DirectPlan plan_forward(const Conv2dDims& d, Conv2dPass pass, bool prepared = false) {
  DirectPlan p{};
  const std::int64_t c = d.group_in(), k = d.group_out(), taps = d.k_h * d.k_w;
  p.groups = d.groups;
  p.grid = {d.n,    d.h_out(), d.w_out(), d.h_in,     d.w_in,     c,  //
            d.c_in, d.k_h,     d.k_w,     d.stride_h, d.stride_w, -d.pad_h, -d.pad_w};
  p.target = {d.h_out(), d.w_out(), k, d.c_out, 1, 1, 0, 0};
  p.weights = {0, d.k_w, 1, taps, c * taps, k * c * taps};
  lay_out(p, pass, prepared);
  return p;
}

// The taps of one dimension that reach the input positions phase, phase + stride, ...: output
// positions i + first_output, i + first_output + 1, ... through taps last_tap, last_tap - stride,
// ...
struct Phase {
  std::int64_t positions, taps, last_tap, first_output;
};

Phase find_phase(std::int64_t phase, std::int64_t size, std::int64_t stride, std::int64_t pad,
                 std::int64_t k) {
  Phase p{};
  p.positions = (size - phase + stride - 1) / stride;
  const std::int64_t first_tap = (phase + pad) % stride;  // output = (phase + pad - tap) / stride
  p.taps = first_tap < k ? (k - first_tap + stride - 1) / stride : 0;
  p.last_tap = first_tap + (p.taps - 1) * stride;
  p.first_output = (phase + pad - first_tap) / stride - (p.taps - 1);
  return p;
}

// A plan for each phase of the strides: inputs of one phase meet the same taps.
std::vector<DirectPlan> plan_backward_input(const Conv2dDims& d) {
  std::vector<DirectPlan> plans;
  for (std::int64_t i = 0; i < std::min(d.stride_h, d.h_in); ++i) {
    for (std::int64_t j = 0; j < std::min(d.stride_w, d.w_in); ++j) {
      const Phase h = find_phase(i, d.h_in, d.stride_h, d.pad_h, d.k_h);
      const Phase w = find_phase(j, d.w_in, d.stride_w, d.pad_w, d.k_w);
      const std::int64_t taps_h = w.taps == 0 ? 0 : h.taps;
      DirectPlan p{};
      const std::int64_t c = d.group_out(), k = d.group_in(), taps = d.k_h * d.k_w;
      p.groups = d.groups;
      p.grid = {d.n,           h.positions, w.positions, d.h_out(), d.w_out(), c,  //
                d.c_out,       taps_h,      w.taps,      1,         1,         h.first_output,
                w.first_output};
      p.target = {d.h_in, d.w_in, k, d.c_in, d.stride_h, d.stride_w, i, j};
      p.weights = {h.last_tap * d.k_w + w.last_tap,
                   -d.stride_h * d.k_w,
                   -d.stride_w,
                   k * taps,
                   taps,
                   c * k * taps};
      lay_out(p, Conv2dPass::backward_input);
      plans.push_back(p);
    }
  }
  return plans;
}

class DirectConv2d final : public Conv2dEngine<float> {
 public:
  std::string_view name() const override { return "direct"; }

  bool supports(const Conv2dDims& d, Conv2dPass pass) const override {
    const std::int64_t columns = pass == Conv2dPass::backward_input ? d.group_in() : d.group_out();
    return d.dilation_h == 1 && d.dilation_w == 1 && d.n > 0 && d.h_out() > 0 && d.w_out() > 0 &&
           columns % direct<float>().lanes == 0;
  }

  std::unique_ptr<const Conv2dPlan<float>> plan(const Conv2dDims& d,
                                                Conv2dPass pass) const override {
    const auto& kernels = direct<float>();
    return std::make_unique<KernelPlan<DirectPlan>>(
        pass == Conv2dPass::backward_weight ? kernels.backward_weight : kernels.convolve,
        pass == Conv2dPass::backward_input ? plan_backward_input(d)
                                           : std::vector{plan_forward(d, pass)});
  }

  std::unique_ptr<const Conv2dInferencePlan> plan_inference(const Conv2dDims& d) const override {
    const auto& kernels = direct<float>();
    const DirectPlan plan = plan_forward(d, Conv2dPass::forward, true);
    return std::make_unique<KernelInferencePlan<DirectPlan>>(kernels.prepare, kernels.infer, plan,
                                                             d.groups * plan.packed_size);
  }
};

}  // namespace

const Conv2dEngine<float>& direct_conv2d() {
  static const DirectConv2d engine;
  return engine;
}

}  // namespace resgrad::kernels
