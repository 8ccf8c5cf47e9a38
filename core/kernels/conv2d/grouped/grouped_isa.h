// What the passes of grouped convolutions share: vectors of several groups, copied windows, bands.
#pragma once

#include "core/kernels/assert.h"
#include "core/kernels/conv2d/grouped/grouped.h"
#include "core/kernels/norm_relu_isa.h"
#include "core/kernels/range_isa.h"
#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

/// The third pass, in backward_weight_isa.cpp.
void grouped_backward_weight(float* dw, const Conv2dInput<float>& x, const float* dy,
                             const GroupedPlan& p, float* workspace);

constexpr int kTaps = 9;

// Input channels of a group that are unrolled: all where spreading them is a shuffle, whose pattern
// the instruction holds. A broadcast reads any address.
constexpr int unrolled_inputs(int group) {
  return group < kLanes ? group : 1;
}

template <class T, T... kValues>
struct Constants {};

#if defined(__clang__)
template <int kCount>
using CountTo = __make_integer_seq<Constants, int, kCount>;
#else
template <int kCount>
using CountTo = Constants<int, __integer_pack(kCount)...>;
#endif

template <class F, int... kValues>
RESGRAD_INLINE void for_each(Constants<int, kValues...>, const F& f) {
  (f.template operator()<kValues>(), ...);
}

// Calls f.operator()<0>(), <1>(), ... <kCount - 1>(). The compilers unroll loops that were written
// as such too late to see arrays of vectors as registers.
template <int kCount, class F>
RESGRAD_INLINE void for_each_constant(const F& f) {
  for_each(CountTo<kCount>(), f);
}

// In every lane, input channel kInput of the lane's group; `pixel` is the first channel of the
// slab.
template <int kGroup, int kInput>
RESGRAD_INLINE Vector spread(const float* pixel) {
  if constexpr (kGroup >= kLanes) {
    return broadcast(pixel[kInput]);
  } else {
    const Vector v = load(pixel);
#define RESGRAD_LANE(lane) (lane) / kGroup* kGroup + kInput
#define RESGRAD_LANES4(lane) \
  RESGRAD_LANE(lane), RESGRAD_LANE(lane + 1), RESGRAD_LANE(lane + 2), RESGRAD_LANE(lane + 3)
#if defined(__AVX512F__)
    return __builtin_shufflevector(v, v, RESGRAD_LANES4(0), RESGRAD_LANES4(4), RESGRAD_LANES4(8),
                                   RESGRAD_LANES4(12));
#elif defined(__AVX2__)
    return __builtin_shufflevector(v, v, RESGRAD_LANES4(0), RESGRAD_LANES4(4));
#else
    return __builtin_shufflevector(v, v, RESGRAD_LANES4(0));
#endif
#undef RESGRAD_LANES4
#undef RESGRAD_LANE
  }
}

RESGRAD_INLINE std::int64_t slabs_of(const GroupedPlan& p) {
  return parts_of({0, p.channels}, kLanes);
}

// Where the weight of a slab's lane lies that belongs to input channel `input` of its group.
RESGRAD_INLINE std::int64_t weight_index(const GroupedPlan& p, std::int64_t channel,
                                         std::int64_t input) {
  return (channel * p.group + input) * kTaps;
}

// A part of the source that is copied into cache: `lines` x `columns` pixels from (line, column)
// on, which may lie outside of the image.
struct Window {
  std::int64_t line, column, lines, columns;
};

// to[line][column][0 .. kWidth) = the channels from `channel` on of an image, which is given as the
// input whose x is its first pixel; zero outside of the image.
template <int kWidth, bool kNormRelu>
void copy_window_as(float* to, const Conv2dInput<float>& image, std::int64_t h, std::int64_t w,
                    std::int64_t channels, std::int64_t channel, const Window& window) {
  const std::int64_t count = least(kWidth, channels - channel);
  const std::int64_t begin = least(most(-window.column, 0), window.columns);
  const std::int64_t end = most(begin, least(window.columns, w - window.column));
  const auto copy_pixel = [&](float* pixel, const float* from, std::int64_t floats)
      __attribute__((always_inline)) {
    if constexpr (kNormRelu) {
      copy_norm_relu(pixel, from, image.norm, channel, floats);
    } else {
      copy(pixel, from, floats);
    }
  };
  for (std::int64_t i = 0; i < window.lines; ++i, to += window.columns * kWidth) {
    const std::int64_t line = window.line + i;
    if (line < 0 || line >= h) {
      fill_zero(to, window.columns * kWidth);
      continue;
    }
    fill_zero(to, begin * kWidth);
    fill_zero(to + end * kWidth, (window.columns - end) * kWidth);
    const float* from = image.x + (line * w + window.column + begin) * channels + channel;
    float* pixel = to + begin * kWidth;
    if (count == kWidth) {
      for (std::int64_t j = begin; j < end; ++j, from += channels, pixel += kWidth) {
        copy_pixel(pixel, from, kWidth);
      }
    } else {
      for (std::int64_t j = begin; j < end; ++j, from += channels, pixel += kWidth) {
        copy_pixel(pixel, from, count);
        fill_zero(pixel + count, kWidth - count);
      }
    }
  }
}

template <int kWidth>
void copy_window(float* to, const Conv2dInput<float>& image, std::int64_t h, std::int64_t w,
                 std::int64_t channels, std::int64_t channel, const Window& window) {
  const auto copy_all =
      image.norm.scale != nullptr ? copy_window_as<kWidth, true> : copy_window_as<kWidth, false>;
  copy_all(to, image, h, w, channels, channel, window);
}

// Makes the compiler compute and load in the order of the source text. Left alone it keeps every
// input in a register for later, and moves sums to the place where they are used.
RESGRAD_INLINE void in_order() {
  asm volatile("" ::: "memory");
}

// The hardware prefetcher follows long runs of memory; the lines of a slab are short. So each tile
// prefetches the pixels that the tile in the band below will read into the L2 cache. Addresses
// behind the last image do no harm: a prefetch of memory that is not there is ignored.
template <int kRows, int kColumns>
RESGRAD_INLINE void fetch_below(const float* p, std::int64_t line, std::int64_t pixel) {
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) __builtin_prefetch(p + r * line + c * pixel, 0, 2);
  }
}

// Where in a window from channel c on the inputs of the slab from channel k on begin: the slab's
// first group.
template <int kGroup>
std::int64_t first_input(std::int64_t k, std::int64_t c) {
  return (k - c) / kGroup * kGroup;
}

// Bands of all images, numbered.
RESGRAD_INLINE std::int64_t bands_of(const GroupedPlan& p) {
  return p.n * parts_of({0, p.result_h}, p.band);
}

// Calls f(image, band) for band number `task`.
template <class F>
void with_band(const GroupedPlan& p, std::int64_t task, const F& f) {
  const std::int64_t bands = parts_of({0, p.result_h}, p.band);
  const std::int64_t first = task % bands * p.band;
  f(task / bands, Range{first, least(first + p.band, p.result_h)});
}

// Calls f.operator()<channels of a group, stride>() with the plan's.
template <class F>
void with_constants(const GroupedPlan& p, const F& f) {
  const auto with_stride = [&]<int kGroup>() {
    p.stride == 1 ? f.template operator()<kGroup, 1>() : f.template operator()<kGroup, 2>();
  };
  if (p.group == 2) with_stride.template operator()<2>();
  if (p.group == 4) with_stride.template operator()<4>();
  if (p.group == 8) with_stride.template operator()<8>();
  if (p.group == 16) with_stride.template operator()<16>();
}

}  // namespace resgrad::kernels::RESGRAD_ISA
