// The engine of 3x3 convolutions: decides how the work is cut and shared.
#include <algorithm>
#include <bit>

#include "core/kernels/conv2d/kernel_plan.h"
#include "core/kernels/conv2d/winograd/winograd.h"
#include "core/kernels/conv2d/workspace.h"
#include "core/kernels/threads.h"

namespace resgrad::kernels {
namespace {

// A chunk's planes fill about half of an L2 cache of 1 MB.
constexpr std::int64_t kChunkFloats = 128 * 1024;
constexpr std::int64_t kLeastChunk = 24, kLeastGradientChunk = 48;  // each adds once to all sums
// The same when all threads work on one chunk, whose planes lie in the L3 cache. For each chunk of
// gradients the planes of the sum are read and written.
constexpr std::int64_t kSharedChunk = 96, kSharedGradientChunk = 256;
// With so many rows and columns the planes of the weights outgrow the L2 cache. Threads that read
// all of them for each of their own chunks still do better than threads that wait for each other,
// if there are so many tiles for each.
constexpr std::int64_t kWideChannels = 192, kManyTiles = 96;
// Planes of weights that outgrow the L3 cache are made block by block, just before use.
constexpr std::int64_t kHugeWeights = 4 * 1024 * 1024;
constexpr std::int64_t kMostSharedTiles = 256;

// Direct convolution is faster where tiles have more than so many pixels for each of the output.
// With stride 2, where there is less to gain, it is too where few tiles share the transform of the
// weights.
constexpr double kMostWaste = 3, kMostStridedWaste = 1.5;
constexpr std::int64_t kLeastTiles = 2, kLeastStridedTiles = 128;

bool worth_it(const Conv2dDims& d) {
  const std::int64_t tiles = d.n * ((d.h_out() + 3) / 4) * ((d.w_out() + 3) / 4);
  const auto positions = static_cast<double>(d.n * d.h_out() * d.w_out());
  const bool strided = d.stride_h > 1;
  return tiles >= (strided ? kLeastStridedTiles : kLeastTiles) &&
         static_cast<double>(16 * tiles) <= (strided ? kMostStridedWaste : kMostWaste) * positions;
}

// A matrix [rows, row] in each plane, for each of `copies` parts.
WinogradBuffer add_planes(WorkspaceLayout& layout, std::int64_t planes, std::int64_t copies,
                          std::int64_t rows, std::int64_t row) {
  const std::int64_t plane = padded_row(rows * row), size = planes * plane;
  return {layout.add(copies * size), copies > 1 ? size : 0, plane, row};
}

bool has_huge_weights(const WinogradPlan& p) {
  return p.planes() * p.depth * p.width >= kHugeWeights;
}

// For weights that outgrow the L2 cache.
WinogradSharing share_wide(const WinogradPlan& p) {
  return !has_huge_weights(p) && p.tiles >= kManyTiles * num_threads() ? WinogradSharing::tiles
                                                                       : WinogradSharing::planes;
}

// Wide groups are taken one after the other, each like a dense convolution. Threads do not take
// tiles of wide gradients, as each would need a sum of its own, as large as the weights.
WinogradSharing choose_sharing(const WinogradPlan& p, bool gradient) {
  if (std::min(p.depth, p.width) < kWideChannels)
    return p.groups > 1 ? WinogradSharing::groups : WinogradSharing::tiles;
  if (has_huge_weights(p) && p.tiles <= kMostSharedTiles) return WinogradSharing::columns;
  return gradient ? WinogradSharing::planes : share_wide(p);
}

// The gradient of the weights is a sum over the tiles. With several sums, over shares of the tiles,
// threads need not wait for each other; each costs that it is written and read once more. How many
// there are follows from the shape alone, so that the bits do not depend on the threads. Where they
// do not go round, all threads work on one sum after the other, which gives the same bits. So does
// that a thread computes all sums of a group, which is done where groups go round.
constexpr std::int64_t kTilesOfSum = 1024, kLeastSums = 2, kMostSums = 16;

// Whether as many items keep all threads busy for most of the time.
bool go_round(std::int64_t items) {
  const std::int64_t threads = num_threads(), turns = (items + threads - 1) / threads;
  return 8 * items >= 7 * turns * threads;
}

void share_sums(WinogradPlan& p) {
  const std::int64_t least = p.groups > 1 ? 1 : kLeastSums;
  p.sums = std::clamp<std::int64_t>(p.tiles / kTilesOfSum, least, kMostSums);
  p.sums = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(p.sums)));
  std::int64_t items = p.tiles;  // that threads share
  if (p.groups > 1 && go_round(p.groups)) {
    p.sharing = WinogradSharing::groups, items = p.groups;
  } else if (go_round(p.sums)) {
    p.sharing = WinogradSharing::tiles, items = p.sums;
  } else {
    p.sharing = WinogradSharing::planes;
  }
  p.parts = std::min<std::int64_t>(num_threads(), items);
}

// With prepared weights, which all parts share.
WinogradSharing choose_inference_sharing(const WinogradPlan& p) {
  if (std::min(p.depth, p.width) >= kWideChannels) return share_wide(p);
  if (p.groups > 1) return WinogradSharing::groups;
  // the fewer tiles of its own a thread would multiply by all weights, the more it waits for them
  return p.tiles >= kLeastChunk * num_threads() ? WinogradSharing::tiles : WinogradSharing::planes;
}

WinogradPlan plan_winograd(const Conv2dDims& d, Conv2dPass pass, bool prepared = false) {
  const WinogradKernels<float>& kernels = winograd<float>();
  const bool flip = pass == Conv2dPass::backward_input;
  const bool gradient = pass == Conv2dPass::backward_weight;
  WinogradPlan p{};
  p.n = d.n, p.groups = d.groups, p.flip = flip;
  p.source_h = d.h_in, p.source_w = d.w_in, p.c_pixel = d.c_in;
  p.result_h = d.h_out(), p.result_w = d.w_out(), p.k_pixel = d.c_out;
  if (flip) {
    std::swap(p.source_h, p.result_h), std::swap(p.source_w, p.result_w);
    std::swap(p.c_pixel, p.k_pixel);
  }
  p.c = p.c_pixel / p.groups, p.k = p.k_pixel / p.groups;
  p.points = d.stride_h == 2 ? 5 : 6;
  p.depth = p.c * p.source_phases(), p.width = p.k * p.result_phases();
  p.tiles_h = (d.h_out() + 3) / 4, p.tiles_w = (d.w_out() + 3) / 4;
  p.tiles = p.n * p.tiles_h * p.tiles_w;
  p.sharing = prepared ? choose_inference_sharing(p) : choose_sharing(p, gradient);
  const bool narrow = p.sharing == WinogradSharing::tiles || p.sharing == WinogradSharing::groups;
  const std::int64_t items = p.sharing == WinogradSharing::groups ? p.groups * p.tiles : p.tiles;
  p.parts = std::min<std::int64_t>(num_threads(), items);
  p.sums = 1;
  p.columns = kernels.panel;

  const std::int64_t wanted = kChunkFloats / (p.planes() * (p.depth + p.width)) / 24 * 24;
  const std::int64_t least = gradient ? kLeastGradientChunk : kLeastChunk;
  p.chunk = narrow                                 ? std::clamp<std::int64_t>(wanted, least, 96)
            : p.sharing != WinogradSharing::planes ? p.tiles
            : gradient                             ? kSharedGradientChunk
                                                   : kSharedChunk;
  p.chunk = std::min(p.chunk, p.tiles);
  if (gradient && narrow) share_sums(p);

  const bool own_groups = p.sharing == WinogradSharing::groups;
  const bool own_tiles = own_groups || p.sharing == WinogradSharing::tiles;
  const bool own_columns = p.sharing == WinogradSharing::columns;
  const std::int64_t columns = own_columns ? std::min(p.columns, p.width) : p.width;
  WorkspaceLayout layout;
  const auto add = [&](std::int64_t copies, std::int64_t rows, std::int64_t row) {
    return add_planes(layout, p.planes(), copies, rows, row);
  };
  p.source = add(own_tiles ? p.parts : 1, p.chunk, padded_row(p.depth));
  // gradients lie in panels
  p.product = add(own_tiles || own_columns ? p.parts : 1, p.chunk,
                  gradient ? columns : padded_row(columns));
  const std::int64_t weights = prepared      ? 0
                               : own_columns ? p.parts
                               : own_groups  ? p.parts * p.sums
                                             : p.sums;
  p.weight = add(weights, p.depth, gradient ? padded_row(columns) : columns);
  p.zeros_size = 6 * d.stride_h * std::max(p.c_pixel, p.k_pixel);
  p.zeros = layout.add(p.zeros_size);
  p.floats = layout.size();
  return p;
}

class WinogradConv2d final : public Conv2dEngine<float> {
 public:
  std::string_view name() const override { return "winograd"; }

  bool supports(const Conv2dDims& d, Conv2dPass) const override {
    const std::int64_t lanes = winograd<float>().lanes;
    // `grouped` is faster for groups of fewer channels
    const std::int64_t narrowest = std::min<std::int64_t>(2 * lanes, 16);
    const bool fits = d.k_h == 3 && d.k_w == 3 && d.pad_h == 1 && d.pad_w == 1 &&
                      d.dilation_h == 1 && d.dilation_w == 1 && d.stride_h == d.stride_w &&
                      (d.stride_h == 1 || d.stride_h == 2);
    return fits && d.n > 0 && worth_it(d) && d.group_in() % lanes == 0 &&
           d.group_out() % lanes == 0 &&
           (d.groups == 1 || std::min(d.group_in(), d.group_out()) >= narrowest);
  }

  std::unique_ptr<const Conv2dPlan<float>> plan(const Conv2dDims& d,
                                                Conv2dPass pass) const override {
    const auto& kernels = winograd<float>();
    return std::make_unique<KernelPlan<WinogradPlan>>(
        pass == Conv2dPass::backward_weight ? kernels.backward_weight : kernels.convolve,
        std::vector{plan_winograd(d, pass)});
  }

  std::unique_ptr<const Conv2dInferencePlan> plan_inference(const Conv2dDims& d) const override {
    const auto& kernels = winograd<float>();
    const WinogradPlan plan = plan_winograd(d, Conv2dPass::forward, true);
    return std::make_unique<KernelInferencePlan<WinogradPlan>>(
        kernels.prepare, kernels.infer, plan, d.groups * plan.planes() * plan.weight.plane);
  }
};

}  // namespace

const Conv2dEngine<float>& winograd_conv2d() {
  static const WinogradConv2d engine;
  return engine;
}

}  // namespace resgrad::kernels
