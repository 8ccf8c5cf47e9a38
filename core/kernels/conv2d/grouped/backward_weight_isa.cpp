#include <omp.h>

#include "core/kernels/conv2d/grouped/grouped_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

// Where a line of products finds its operands: copied lines of x and dy, and the pixels in memory
// that the band below will copy. dy has a pixel of zeros before its first one.
struct LinePair {
  const float *x, *dy;
  std::int64_t dy_pixel, columns;
  const float *x_below, *dy_below;
};

// sum[input][tap] += the products of the inputs from kFirst on in a line of x with a line of dy,
// for one line of taps.
template <int kGroup, int kStride, int kFirst, int kCount, bool kFetch>
RESGRAD_INLINE void correlate_lines(Vector (&sum)[kCount][3], const LinePair& lines,
                                    const GroupedPlan& p) {
  constexpr int kWidth = kGroupedWindow;
  const float *x = lines.x, *dy = lines.dy;
  const std::int64_t dy_pixel = lines.dy_pixel;
  for (std::int64_t w = 0; w < lines.columns; ++w, x += kStride * kWidth, dy += dy_pixel) {
    if constexpr (kFetch) {
      fetch_below<kStride, kStride>(lines.x_below + w * kStride * p.channels,
                                    p.source_w * p.channels, p.channels);
      fetch_below<1, 1>(lines.dy_below + w * p.channels, 0, 0);
    }
    const Vector before = load(dy), here = load(dy + dy_pixel), after = load(dy + 2 * dy_pixel);
    for_each_constant<kCount>([&]<int kInput>() __attribute__((always_inline)) {
      const Vector a = spread<kGroup, kFirst + kInput>(x);
      if constexpr (kStride == 1) {
        sum[kInput][0] += a * after;
        sum[kInput][1] += a * here;
        sum[kInput][2] += a * before;
      } else {
        const Vector b = spread<kGroup, kFirst + kInput>(x + kWidth);
        sum[kInput][0] += b * after;
        sum[kInput][1] += a * here;
        sum[kInput][2] += b * here;
      }
    });
    in_order();
  }
}

// Adds to the gradient of one slab's weights, for one line of taps, what a band gives. `first` are
// the operands of its first line of dy with line `x_line` of x.
template <int kGroup, int kStride, bool kFetch>
[[gnu::noinline]] void correlate_band(float* gradient, const LinePair& first, std::int64_t x_line,
                                      std::int64_t lines, const GroupedPlan& p) {
  // with three taps each they fill the registers, beside three pixels of dy and a spread input
  constexpr int kInputs = kGroup < 4 ? kGroup : kLanes == 16 && kGroup == 16 ? 8 : 4;
  for_each_constant<kGroup / kInputs>([&]<int kBlock>() __attribute__((always_inline)) {
    Vector sum[kInputs][3] = {};
    for (std::int64_t h = 0; h < lines; ++h) {
      if (x_line + h * kStride < 0 || x_line + h * kStride >= p.source_h) continue;
      LinePair pair = first;
      pair.x += h * kStride * p.columns * kGroupedWindow;
      pair.dy += h * (p.result_w + 2) * first.dy_pixel;
      pair.x_below += h * kStride * p.source_w * p.channels;
      pair.dy_below += h * p.result_w * p.channels;
      correlate_lines<kGroup, kStride, kBlock * kInputs, kInputs, kFetch && kBlock == 0>(sum, pair,
                                                                                         p);
    }
    float* to = gradient + kBlock * kInputs * 3 * kLanes;
#pragma GCC unroll 16
    for (int j = 0; j < kInputs; ++j) {
#pragma GCC unroll 16
      for (int t = 0; t < 3; ++t, to += kLanes) store(to, load(to) + sum[j][t]);
    }
  });
}

// Adds up the sums, in their order.
void add_sums(float* dw, const float* sums, const GroupedPlan& p) {
  const std::int64_t size = kTaps * p.group * kLanes;
#pragma omp parallel for schedule(static) num_threads(static_cast <int>(p.parts))
  for (std::int64_t channel = 0; channel < p.channels; ++channel) {
    const float* slab = sums + channel / kLanes * size + channel % kLanes;
    for (std::int64_t j = 0; j < p.group; ++j) {
      for (std::int64_t tap = 0; tap < kTaps; ++tap) {
        const float* from = slab + ((tap / 3 * p.group + j) * 3 + tap % 3) * kLanes;
        float sum = 0;
        for (std::int64_t i = 0; i < p.sums; ++i) sum += from[i * p.weights_size];
        dw[weight_index(p, channel, j) + tap] = sum;
      }
    }
  }
}

// sums = what a share of the bands adds to the gradient of the weights of some channels. In the
// calling thread's scratch memory.
template <int kGroup, int kStride>
void correlate(float* sums, const float* dy, const Conv2dInput<float>& x, Range share,
               Range channels, const GroupedPlan& p, float* workspace) {
  constexpr int kWidth = kGroupedWindow;
  constexpr std::int64_t kSlabWeights = kTaps * kGroup * kLanes;
  const std::int64_t thread = omp_get_thread_num();
  RESGRAD_ASSERT(thread < p.parts);
  float* source = workspace + p.source + thread * p.source_size;
  float* gradient = workspace + p.gradient + thread * p.gradient_size;
  const std::int64_t slabs = parts_of(channels, kLanes);
  fill_zero(sums + channels.begin / kLanes * kSlabWeights, slabs * kSlabWeights);
  for (std::int64_t task = share.begin; task < share.end; ++task) {
    with_band(p, task, [&](std::int64_t n, Range band) {
      const float* x_image = x.x + n * p.source_h * p.source_w * p.channels;
      const float* dy_image = dy + n * p.result_h * p.result_w * p.channels;
      const Range x_lines = {most(0, band.begin * kStride - 1),
                             least(p.source_h, (band.end - 1) * kStride + 2)};
      RESGRAD_ASSERT(size(x_lines) * p.columns * kWidth <= p.source_size);
      RESGRAD_ASSERT(size(band) * (p.result_w + 2) * kWidth <= p.gradient_size);
      RESGRAD_ASSERT(p.result_w * kStride <= p.columns);
      for (std::int64_t c = channels.begin; c < channels.end; c += kWidth) {
        copy_window<kWidth>(source, {x_image, x.norm}, p.source_h, p.source_w, p.channels, c,
                            {x_lines.begin, 0, size(x_lines), p.columns});
        copy_window<kWidth>(gradient, {dy_image}, p.result_h, p.result_w, p.channels, c,
                            {band.begin, -1, size(band), p.result_w + 2});
        for (std::int64_t k = c; k < least(c + kWidth, p.channels); k += kLanes) {
          float* sum = sums + k / kLanes * kSlabWeights;
          for (std::int64_t tap = 0; tap < 3; ++tap, sum += kSlabWeights / 3) {
            const std::int64_t x_line = band.begin * kStride - 1 + tap;
            const LinePair first = {
                source + (x_line - x_lines.begin) * p.columns * kWidth + first_input<kGroup>(k, c),
                gradient + (k - c),
                kWidth,
                p.result_w,
                x_image + (band.begin + p.band) * kStride * p.source_w * p.channels + k,
                dy_image + (band.begin + p.band) * p.result_w * p.channels + k};
            if (tap == 1 && k == c) {
              correlate_band<kGroup, kStride, true>(sum, first, x_line, size(band), p);
            } else {
              correlate_band<kGroup, kStride, false>(sum, first, x_line, size(band), p);
            }
          }
        }
      }
    });
  }
}

// The sums of plan.sums shares of the bands. Part i of the work is a range of windows, numbered
// share by share.
template <int kGroup, int kStride>
void correlate_shares(const float* dy, const Conv2dInput<float>& x, const GroupedPlan& p,
                      float* workspace) {
#pragma omp parallel num_threads(static_cast <int>(p.parts))
  for_each_part(p.parts, [&](std::int64_t i) {
    for_each_group(
        part({0, p.sums * p.windows}, i, p.parts), p.windows, [&](std::int64_t sum, Range windows) {
          correlate<kGroup, kStride>(
              workspace + p.weights + sum * p.weights_size, dy, x,
              part({0, bands_of(p)}, sum, p.sums),
              {windows.begin * kGroupedWindow, least(p.channels, windows.end * kGroupedWindow)}, p,
              workspace);
        });
  });
}

}  // namespace

void grouped_backward_weight(float* dw, const Conv2dInput<float>& x, const float* dy,
                             const GroupedPlan& p, float* workspace) {
  with_constants(p, [&]<int kGroup, int kStride>() {
    correlate_shares<kGroup, kStride>(dy, x, p, workspace);
  });
  add_sums(dw, workspace + p.weights, p);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
