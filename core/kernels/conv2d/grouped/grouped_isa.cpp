#include "core/kernels/conv2d/grouped/grouped_isa.h"

#include <omp.h>

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

// A tile of results: its accumulators, the weights of two lines of taps and a spread input must fit
// the registers (32 in AVX-512, else 16), and be enough of them to hide the latency.
constexpr int kTileRows = 2;
constexpr int kTileColumns = kLanes == 16 ? 8 : 4;

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

// Makes it finish a line of sums here, and not where they are used.
RESGRAD_INLINE void sums_in_order(Vector (&v)[kTileColumns]) {
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
  sums_in_order(sum[0]);
  sums_in_order(sum[1]);
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

// Asks for the lines of memory that the results of the tile after the next will be stored to.
RESGRAD_INLINE void fetch_results(const float* p, std::int64_t line, std::int64_t pixel) {
  for (int r = 0; r < kTileRows; ++r) {
    for (int c = 0; c < kTileColumns; ++c) __builtin_prefetch(p + r * line + c * pixel, 1, 3);
  }
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
        RESGRAD_ASSERT(size(band) <= p.band && omp_get_thread_num() < p.parts);
        // tiles of results that reach over the end of a line or of the band read no further
        RESGRAD_ASSERT(p.lines * p.columns * kWidth <= p.source_size);
        RESGRAD_ASSERT(Along::reach(static_cast<int>(p.band)) <= p.lines);
        RESGRAD_ASSERT((parts_of({0, p.result_w}, kTileColumns) - 1) * Along::step(kTileColumns) +
                           Along::reach(kTileColumns) <=
                       p.columns);
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

void forward(float* y, const Conv2dInput<float>& x, const float* w, const GroupedPlan& p,
             float* workspace) {
  pack_weights(workspace + p.weights, w, p, false);
  with_constants(
      p, [&]<int kGroup, int kStride>() { convolve<kGroup, kStride, false>(y, x, p, workspace); });
}

void backward_input(float* dx, const Conv2dInput<float>& dy, const float* w, const GroupedPlan& p,
                    float* workspace) {
  pack_weights(workspace + p.weights, w, p, true);
  with_constants(p, [&]<int kGroup, int kStride>() {
    convolve<kGroup, kStride, kStride != 1>(dx, dy, p, workspace);
  });
}

}  // namespace

template <class T>
GroupedKernels<T> grouped() {
  return {kLanes, kTileColumns, forward, backward_input, grouped_backward_weight};
}
template GroupedKernels<float> grouped();

}  // namespace resgrad::kernels::RESGRAD_ISA
