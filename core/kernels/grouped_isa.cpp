#include "core/kernels/grouped.h"

#include <omp.h>

#include "core/kernels/normalise_isa.h"
#include "core/kernels/range_isa.h"
#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

constexpr int kTaps = 9;

// A tile of results: its accumulators, the weights of two lines of taps and a spread input must fit
// the registers (32 in AVX-512, else 16), and be enough of them to hide the latency.
constexpr int kTileRows = 2;
constexpr int kTileColumns = kLanes == 16 ? 8 : 4;

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

std::int64_t slabs_of(const GroupedPlan& p) {
  return parts_of({0, p.channels}, kLanes);
}

// Where the weight of a slab's lane lies that belongs to input channel `input` of its group.
std::int64_t weight_index(const GroupedPlan& p, std::int64_t channel, std::int64_t input) {
  return (channel * p.group + input) * kTaps;
}

// packed[slab][line of taps][input channel][tap of the line][lane], zero in lanes without a
// channel. Backward, inputs and outputs of a group change places; the order of the taps is reversed
// where the pass is a convolution itself.
void pack_weights(float* packed, const float* w, const GroupedPlan& p, bool backward) {
  const std::int64_t slabs = slabs_of(p), slab_size = kTaps * p.group * kLanes;
  const bool reversed = backward && !p.transposed;
#pragma omp parallel for schedule(static) num_threads(static_cast <int>(p.parts))
  for (std::int64_t slab = 0; slab < slabs; ++slab) {
    for (std::int64_t j = 0; j < p.group; ++j) {
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        const std::int64_t channel = slab * kLanes + lane;
        const std::int64_t first = channel / p.group * p.group;  // of the lane's group
        const std::int64_t from =
            backward ? weight_index(p, first + j, channel - first) : weight_index(p, channel, j);
        for (std::int64_t tap = 0; tap < kTaps; ++tap) {
          const std::int64_t to = (tap / 3 * p.group + j) * 3 + tap % 3;
          packed[slab * slab_size + to * kLanes + lane] =
              channel < p.channels ? w[from + (reversed ? kTaps - 1 - tap : tap)] : 0;
        }
      }
    }
  }
}

// A part of the source that is copied into cache: `lines` x `columns` pixels from (line, column)
// on, which may lie outside of the image.
struct Window {
  std::int64_t line, column, lines, columns;
};

// to[line][column][0 .. kWidth) = the channels from `channel` on of an image, which is given as the
// input whose x is its first pixel; zero outside of the image.
template <int kWidth, bool kNormalise>
void copy_window_as(float* to, const Conv2dInput<float>& image, std::int64_t h, std::int64_t w,
                    std::int64_t channels, std::int64_t channel, const Window& window) {
  const std::int64_t count = least(kWidth, channels - channel);
  const std::int64_t begin = least(most(-window.column, 0), window.columns);
  const std::int64_t end = most(begin, least(window.columns, w - window.column));
  const auto copy_pixel = [&](float* pixel, const float* from, std::int64_t floats)
      __attribute__((always_inline)) {
    if constexpr (kNormalise) {
      copy_normalised(pixel, from, image.norm, channel, floats);
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
RESGRAD_INLINE void in_order(Vector (&v)[kTileColumns]) {
#if defined(__AVX512F__)
  asm volatile(""
               : "+v"(v[0]), "+v"(v[1]), "+v"(v[2]), "+v"(v[3]), "+v"(v[4]), "+v"(v[5]), "+v"(v[6]),
                 "+v"(v[7]));
#elif defined(__x86_64__)
  asm volatile("" : "+x"(v[0]), "+x"(v[1]), "+x"(v[2]), "+x"(v[3]));
#else
  (void)v;
#endif
}

// How a tile of results reads its tile of the source, in one dimension: source position `from`
// reaches result `to` through tap(from, to), if that is one of 0, 1, 2.
template <int kStride, bool kTransposed>
struct Taps {
  static constexpr int tap(int from, int to) {
    return kTransposed ? to + 1 - kStride * from : from - kStride * to;
  }
  static constexpr bool meets(int from, int to) { return tap(from, to) >= 0 && tap(from, to) < 3; }
  // The result that a source position reaches through a tap; -1 if there is none.
  static constexpr int result(int from, int tap) {
    if (kTransposed) return tap - 1 + kStride * from;
    return from >= tap && (from - tap) % kStride == 0 ? (from - tap) / kStride : -1;
  }
  // How many source positions `results` results read, and by how many they move on.
  static constexpr int reach(int results) {
    return kTransposed ? results / kStride + 1 : (results - 1) * kStride + 3;
  }
  static constexpr int step(int results) {
    return kTransposed ? results / kStride : results * kStride;
  }
};

using TileSums = Vector[kTileRows][kTileColumns];

// Stores `rows` x `columns` results of a tile, `count` channels each.
RESGRAD_INLINE void store_tile(float* to, std::int64_t line, std::int64_t pixel,
                               const TileSums& sum, std::int64_t rows, std::int64_t columns,
                               std::int64_t count) {
  if (rows >= kTileRows && columns >= kTileColumns && count >= kLanes) {
    for_each_constant<kTileRows * kTileColumns>([&]<int k>() __attribute__((always_inline)) {
      constexpr int kRow = k / kTileColumns, kColumn = k % kTileColumns;
      store(to + kRow * line + kColumn * pixel, sum[kRow][kColumn]);
    });
    return;
  }
  float all[kTileRows * kTileColumns * kLanes];
  for_each_constant<kTileRows * kTileColumns>([&]<int k>() __attribute__((always_inline)) {
    store(all + k * kLanes, sum[k / kTileColumns][k % kTileColumns]);
  });
  for (std::int64_t r = 0; r < least(rows, kTileRows); ++r) {
    for (std::int64_t c = 0; c < least(columns, kTileColumns); ++c) {
      copy(to + r * line + c * pixel, all + (r * kTileColumns + c) * kLanes, least(count, kLanes));
    }
  }
}

// What a pixel adds to a line of results through the three taps `w`.
template <class Along, int kColumn>
RESGRAD_INLINE void add_pixel(Vector (&sum)[kTileColumns], Vector x, const Vector (&w)[3]) {
  constexpr int k0 = Along::result(kColumn, 0), k1 = Along::result(kColumn, 1),
                k2 = Along::result(kColumn, 2);
  if constexpr (k0 >= 0 && k0 < kTileColumns) sum[k0] += x * w[0];
  if constexpr (k1 >= 0 && k1 < kTileColumns) sum[k1] += x * w[1];
  if constexpr (k2 >= 0 && k2 < kTileColumns) sum[k2] += x * w[2];
}

// What one input channel of each group adds to a tile of results: line kLine0 of the tile's source
// to the first line of results and kLine1 to the second, where they meet. Two lines of results at a
// time are enough independent sums to hide the latency. `weights` are those of this channel.
template <int kGroup, int kStride, bool kTransposed, int kLine0, int kLine1, int kInput>
RESGRAD_INLINE void add_lines(TileSums& sum, const float* pixel, std::int64_t line,
                              const float* weights) {
  using Along = Taps<kStride, kTransposed>;
  constexpr int kWidth = kGroupedWindow;
  constexpr bool kFirst = Along::meets(kLine0, 0), kSecond = Along::meets(kLine1, 1);
  Vector w[kTileRows][3];
  for_each_constant<kTileRows>([&]<int kRow>() __attribute__((always_inline)) {
    constexpr int kLine = kRow == 0 ? kLine0 : kLine1;
    if constexpr (Along::meets(kLine, kRow)) {
      const float* taps = weights + Along::tap(kLine, kRow) * kGroup * 3 * kLanes;
      w[kRow][0] = load(taps);
      w[kRow][1] = load(taps + kLanes);
      w[kRow][2] = load(taps + 2 * kLanes);
    }
  });
  for_each_constant<Along::reach(kTileColumns)>([&]<int kColumn>() __attribute__((always_inline)) {
    const float* first = pixel + kLine0 * line + kColumn * kWidth;
    const float* second = pixel + kLine1 * line + kColumn * kWidth;
    Vector x = spread<kGroup, kInput>(kFirst ? first : second);
    if constexpr (kFirst) add_pixel<Along, kColumn>(sum[0], x, w[0]);
    if constexpr (kFirst && kLine1 != kLine0) x = spread<kGroup, kInput>(second);
    if constexpr (kSecond) add_pixel<Along, kColumn>(sum[1], x, w[1]);
  });
  in_order();
  in_order(sum[0]);
  in_order(sum[1]);
}

// A tile of results for one slab: `from` is the first pixel that it reads, `weights` the slab's.
template <int kGroup, int kStride, bool kTransposed>
RESGRAD_INLINE void convolve_tile(TileSums& sum, const float* from, std::int64_t line,
                                  const float* weights) {
  constexpr int kUnrolled = unrolled_inputs(kGroup);
  for_each_constant<kTransposed ? 2 : 3>([&]<int kLine>() __attribute__((always_inline)) {
    // both lines of results read one line of the source where they can
    constexpr int kOther = kTransposed || kLine >= kStride ? kLine : kLine + 3;
    for (int j = 0; j < kGroup; j += kUnrolled) {
      for_each_constant<kUnrolled>([&]<int kInput>() __attribute__((always_inline)) {
        add_lines<kGroup, kStride, kTransposed, kLine, kOther, kInput>(
            sum, from + j, line, weights + (j + kInput) * 3 * kLanes);
      });
    }
  });
}

// The lines of a slab are too short for the hardware to see a stream in them. So each tile asks for
// the pixels that the tile in the band below will read; the L2 cache has them by then. Behind the
// last image this does nothing.
template <int kRows, int kColumns>
RESGRAD_INLINE void fetch_below(const float* p, std::int64_t line, std::int64_t pixel) {
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) __builtin_prefetch(p + r * line + c * pixel, 0, 2);
  }
}

// Asks for the lines of memory that the results of the tile after the next will be stored to.
RESGRAD_INLINE void fetch_results(const float* p, std::int64_t line, std::int64_t pixel) {
  for (int r = 0; r < kTileRows; ++r) {
    for (int c = 0; c < kTileColumns; ++c) __builtin_prefetch(p + r * line + c * pixel, 1, 3);
  }
}

// Where in a window from channel c on the inputs of the slab from channel k on begin: the slab's
// first group.
template <int kGroup>
std::int64_t first_input(std::int64_t k, std::int64_t c) {
  return (k - c) / kGroup * kGroup;
}

// The results of one slab in a band of lines, from the band's copied source. `below` is where the
// source of the next band begins.
template <int kGroup, int kStride, bool kTransposed>
void convolve_band(float* y, const float* source, const float* below, const float* weights,
                   Range band, std::int64_t channel, const GroupedPlan& p) {
  using Along = Taps<kStride, kTransposed>;
  constexpr int kWidth = kGroupedWindow;
  const std::int64_t line = p.columns * kWidth;
  for (std::int64_t h = band.begin; h < band.end; h += kTileRows) {
    const float* from = source + (h - band.begin) / kTileRows * Along::step(kTileRows) * line;
    for (std::int64_t w = 0; w < p.result_w; w += kTileColumns) {
      TileSums sum = {};
      fetch_below<Along::step(kTileRows), Along::step(kTileColumns)>(
          below + (h - band.begin) / kTileRows * Along::step(kTileRows) * p.source_w * p.channels +
              w / kTileColumns * Along::step(kTileColumns) * p.channels,
          p.source_w * p.channels, p.channels);
      float* to = y + (h * p.result_w + w) * p.channels + channel;
      fetch_results(to + 2 * kTileColumns * p.channels, p.result_w * p.channels, p.channels);
      convolve_tile<kGroup, kStride, kTransposed>(sum, from, line, weights);
      store_tile(to, p.result_w * p.channels, p.channels, sum, band.end - h, p.result_w - w,
                 p.channels - channel);
      from += Along::step(kTileColumns) * kWidth;
    }
  }
}

// Bands of all images, numbered.
std::int64_t bands_of(const GroupedPlan& p) {
  return p.n * parts_of({0, p.result_h}, p.band);
}

// Calls f(image, band) for band number `task`.
template <class F>
void with_band(const GroupedPlan& p, std::int64_t task, const F& f) {
  const std::int64_t bands = parts_of({0, p.result_h}, p.band);
  const std::int64_t first = task % bands * p.band;
  f(task / bands, Range{first, least(first + p.band, p.result_h)});
}

template <int kGroup, int kStride, bool kTransposed>
void convolve(float* y, const Conv2dInput<float>& x, const GroupedPlan& p, float* workspace) {
  using Along = Taps<kStride, kTransposed>;
  constexpr int kWidth = kGroupedWindow;
  constexpr std::int64_t kSlabWeights = kTaps * kGroup * kLanes;
#pragma omp parallel num_threads(static_cast <int>(p.parts))
  {
    float* source = workspace + p.source + omp_get_thread_num() * p.source_size;
    // Bands go to the thread that is free: cores that others use too are not equally fast.
#pragma omp for schedule(dynamic, 4)
    for (std::int64_t task = 0; task < bands_of(p); ++task) {
      with_band(p, task, [&](std::int64_t n, Range band) {
        const float* image = x.x + n * p.source_h * p.source_w * p.channels;
        float* result = y + n * p.result_h * p.result_w * p.channels;
        const Window window = kTransposed
                                  ? Window{band.begin / kStride, 0, p.lines, p.columns}
                                  : Window{band.begin * kStride - 1, -1, p.lines, p.columns};
        for (std::int64_t c = 0; c < p.channels; c += kWidth) {
          copy_window<kWidth>(source, {image, x.norm}, p.source_h, p.source_w, p.channels, c,
                              window);
          for (std::int64_t k = c; k < least(c + kWidth, p.channels); k += kLanes) {
            convolve_band<kGroup, kStride, kTransposed>(
                result, source + first_input<kGroup>(k, c),
                image +
                    ((window.line + Along::step(static_cast<int>(p.band))) * p.source_w) *
                        p.channels +
                    k,
                workspace + p.weights + k / kLanes * kSlabWeights, band, k, p);
          }
        }
      });
    }
  }
}

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

// Adds up the parts' gradients, in their order.
void sum_gradients(float* dw, const float* parts, const GroupedPlan& p) {
  const std::int64_t size = kTaps * p.group * kLanes;
#pragma omp parallel for schedule(static) num_threads(static_cast <int>(p.parts))
  for (std::int64_t channel = 0; channel < p.channels; ++channel) {
    const float* slab = parts + channel / kLanes * size + channel % kLanes;
    for (std::int64_t j = 0; j < p.group; ++j) {
      for (std::int64_t tap = 0; tap < kTaps; ++tap) {
        const float* from = slab + ((tap / 3 * p.group + j) * 3 + tap % 3) * kLanes;
        float sum = 0;
        for (std::int64_t i = 0; i < p.parts; ++i) sum += from[i * p.weights_size];
        dw[weight_index(p, channel, j) + tap] = sum;
      }
    }
  }
}

template <int kGroup, int kStride>
void correlate(const float* dy, const Conv2dInput<float>& x, const GroupedPlan& p,
               float* workspace) {
  constexpr int kWidth = kGroupedWindow;
  constexpr std::int64_t kSlabWeights = kTaps * kGroup * kLanes;
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(p.parts))
  for (std::int64_t i = 0; i < p.parts; ++i) {
    float* sums = workspace + p.weights + i * p.weights_size;
    float* source = workspace + p.source + i * p.source_size;
    float* gradient = workspace + p.gradient + i * p.gradient_size;
    fill_zero(sums, p.weights_size);
    const Range tasks = part({0, bands_of(p)}, i, p.parts);
    for (std::int64_t task = tasks.begin; task < tasks.end; ++task) {
      with_band(p, task, [&](std::int64_t n, Range band) {
        const float* x_image = x.x + n * p.source_h * p.source_w * p.channels;
        const float* dy_image = dy + n * p.result_h * p.result_w * p.channels;
        const Range x_lines = {most(0, band.begin * kStride - 1),
                               least(p.source_h, (band.end - 1) * kStride + 2)};
        for (std::int64_t c = 0; c < p.channels; c += kWidth) {
          copy_window<kWidth>(source, {x_image, x.norm}, p.source_h, p.source_w, p.channels, c,
                              {x_lines.begin, 0, size(x_lines), p.columns});
          copy_window<kWidth>(gradient, {dy_image}, p.result_h, p.result_w, p.channels, c,
                              {band.begin, -1, size(band), p.result_w + 2});
          for (std::int64_t k = c; k < least(c + kWidth, p.channels); k += kLanes) {
            float* sum = sums + k / kLanes * kSlabWeights;
            for (std::int64_t tap = 0; tap < 3; ++tap, sum += kSlabWeights / 3) {
              const std::int64_t x_line = band.begin * kStride - 1 + tap;
              const LinePair first = {
                  source + (x_line - x_lines.begin) * p.columns * kWidth +
                      first_input<kGroup>(k, c),
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

void forward(float* y, const Conv2dInput<float>& x, const float* w, const GroupedPlan& p,
             float* workspace) {
  pack_weights(workspace + p.weights, w, p, false);
  with_constants(
      p, [&]<int kGroup, int kStride>() { convolve<kGroup, kStride, false>(y, x, p, workspace); });
}

void backward_input(float* dx, const float* dy, const float* w, const GroupedPlan& p,
                    float* workspace) {
  pack_weights(workspace + p.weights, w, p, true);
  with_constants(p, [&]<int kGroup, int kStride>() {
    convolve<kGroup, kStride, kStride != 1>(dx, {dy}, p, workspace);
  });
}

void backward_weight(float* dw, const float* dy, const Conv2dInput<float>& x, const GroupedPlan& p,
                     float* workspace) {
  with_constants(
      p, [&]<int kGroup, int kStride>() { correlate<kGroup, kStride>(dy, x, p, workspace); });
  sum_gradients(dw, workspace + p.weights, p);
}

}  // namespace

template <class T>
GroupedKernels<T> grouped() {
  return {kLanes, kTileColumns, forward, backward_input, backward_weight};
}
template GroupedKernels<float> grouped();

}  // namespace resgrad::kernels::RESGRAD_ISA
