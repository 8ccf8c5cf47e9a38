#include "core/kernels/conv2d/microkernel_isa.h"

#include "core/kernels/assert.h"
#include "core/kernels/pack_isa.h"
#include "core/kernels/range_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

constexpr std::int64_t kLineVectors = kLineFloats > kLanes ? kLineFloats / kLanes : 1;

// Panels deeper than this come from the L3 cache, not the L2.
constexpr std::int64_t kDeep = 192;

// Rows of a tile for each width in vectors: the accumulators, one row of b and a broadcast element
// of a must fit the registers (32 in AVX-512, else 16), and be enough of them to hide the latency.
constexpr int tile_rows(int vectors) {
  if (kLanes == 16) return vectors == 4 ? 6 : vectors == 3 ? 8 : vectors == 2 ? 12 : 14;
  if (kLanes == 8) return vectors == 2 ? 6 : 12;
  return vectors == 2 ? 4 : 8;  // without fused multiply-add a product takes a register too
}

// What a tile fetches early: a line per step along the depth, and rows of c; null for none.
struct Fetch {
  const float* data;
  std::int64_t stride;
  const float* c;
};

// One tile of c: kRows x kVectors accumulators stay in registers over the whole depth.
template <int kRows, int kVectors, bool kTransposed, bool kFetch>
[[gnu::noinline]] void multiply_tile(std::int64_t depth, const float* a, std::int64_t a_stride,
                                     const float* b, std::int64_t b_stride, float* c,
                                     std::int64_t c_stride, Update update, const Fetch& fetch) {
  if (fetch.c != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; v += kLineVectors) {
        __builtin_prefetch(fetch.c + r * c_stride + v * kLanes, 1, 3);
      }
    }
  }
  Vector sum[kRows][kVectors] = {};
  const float* line = fetch.data;
  const std::int64_t next_line = fetch.stride;
  // Unrolled, a step is an eighth fewer instructions: a core whose other thread is busy takes turns
  // at decoding them.
#pragma GCC unroll 4
  for (std::int64_t d = 0; d < depth; ++d, b += b_stride, line += next_line) {
    if (kFetch) __builtin_prefetch(line, 0, kTransposed ? 3 : 2);
    Vector row[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) row[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vector left = broadcast(kTransposed ? a[r] : a[r * a_stride]);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] += left * row[v];
    }
    a += kTransposed ? a_stride : 1;
  }
  if (update == Update::add) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] += load(c + r * c_stride + v * kLanes);
    }
  }
  if (update == Update::assign_past_caches) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) stream(c + r * c_stride + v * kLanes, sum[r][v]);
    }
    return;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) store(c + r * c_stride + v * kLanes, sum[r][v]);
  }
}

template <int kVectors, bool kTransposed, bool kFetch, int kRows = tile_rows(kVectors),
          class... Args>
void multiply_rows(std::int64_t rows, const Args&... args) {
  if (rows == kRows) {
    multiply_tile<kRows, kVectors, kTransposed, kFetch>(args...);
  } else if constexpr (kRows > 1) {
    multiply_rows<kVectors, kTransposed, kFetch, kRows - 1>(rows, args...);
  }
}

// The lines to fetch during the next `depth` steps.
Fetch take(Upcoming& upcoming, std::int64_t depth) {
  Upcoming::Range& range =
      upcoming.first.next < upcoming.first.end ? upcoming.first : upcoming.second;
  if (range.next >= range.end) return {nullptr, 0, nullptr};
  const float* next = range.next;
  range.next += depth * kLineFloats;
  return {next, kLineFloats, nullptr};
}

// The rows in tiles of nearly equal height, so that none is too low to hide the latency.
template <int kVectors, LeftLayout kLayout>
void multiply(std::int64_t rows, std::int64_t depth, const float* a, std::int64_t a_stride,
              const float* b, std::int64_t b_stride, float* c, std::int64_t c_stride, Update update,
              Upcoming* upcoming) {
  constexpr bool kTransposed = kLayout != LeftLayout::rows;
  const std::int64_t highest = kLayout == LeftLayout::tiles ? a_stride : tile_rows(kVectors);
  const std::int64_t tiles = parts_of({0, rows}, highest);
  // packed panels lie behind one another
  const bool packed = b_stride == kVectors * kLanes;
  const std::int64_t panel = depth * b_stride;
  Upcoming next_panel;
  if (!kTransposed && packed && depth >= kDeep) next_panel.first = {b + panel, b + 2 * panel};
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const Range of = part({0, rows}, tile, tiles);
    const bool tiled = kLayout == LeftLayout::tiles;
    const float* left = a + of.begin * (tiled ? depth : kTransposed ? 1 : a_stride);
    const std::int64_t left_stride = tiled ? size(of) : a_stride;
    float* to = c + of.begin * c_stride;
    Fetch fetch = take(upcoming != nullptr ? *upcoming : next_panel, depth);
    // a column-major operand is read a stride apart, which the hardware prefetcher does not follow
    if (kTransposed && fetch.data == nullptr) fetch = {left + kLineFloats, left_stride, nullptr};
    if (update == Update::add) fetch.c = to;
    if (update == Update::assign_distant) fetch.c = to + highest * c_stride;
    const auto run = [&]<bool kFetch>() {
      multiply_rows<kVectors, kTransposed, kFetch>(size(of), depth, left, left_stride, b, b_stride,
                                                   to, c_stride, update, fetch);
    };
    kTransposed || fetch.data != nullptr ? run.template operator()<true>()
                                         : run.template operator()<false>();
  }
}

template <int kVectors = kPanelVectors, class... Args>
void multiply_vectors(std::int64_t vectors, LeftLayout layout, const Args&... args) {
  if (vectors == kVectors) {
    switch (layout) {
      case LeftLayout::rows:
        return multiply<kVectors, LeftLayout::rows>(args...);
      case LeftLayout::columns:
        return multiply<kVectors, LeftLayout::columns>(args...);
      case LeftLayout::tiles:
        return multiply<kVectors, LeftLayout::tiles>(args...);
    }
  } else if constexpr (kVectors > 1) {
    multiply_vectors<kVectors - 1>(vectors, layout, args...);
  }
}

}  // namespace

std::int64_t tile_height(std::int64_t columns) {
  constexpr int kHeights[] = {0, tile_rows(1), tile_rows(2), tile_rows(3), tile_rows(4)};
  return kHeights[least(columns / kLanes, kPanelVectors)];
}

void pack_tiles(float* tiles, const float* from, std::int64_t stride, std::int64_t rows,
                std::int64_t depth, std::int64_t height) noexcept {
  RESGRAD_ASSERT(rows <= stride && height > 0);
  const std::int64_t count = parts_of({0, rows}, height);
  for (std::int64_t tile = 0; tile < count; ++tile) {
    const Range of = part({0, rows}, tile, count);
    float* to = tiles + of.begin * depth;
    // In whole vectors where they end within `from`: what is too much, the next ones overwrite.
    const std::int64_t safe = depth - 1 - kLanes / stride;
    for (std::int64_t d = 0; d < depth; ++d, to += size(of)) {
      const float* column = from + d * stride + of.begin;
      if (d < safe) {
        for (std::int64_t i = 0; i < size(of); i += kLanes) store(to + i, load(column + i));
      } else {
        copy(to, column, size(of));
      }
    }
  }
}

void multiply_panel(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                    const LeftMatrix& a, const float* b, std::int64_t b_stride, float* c,
                    std::int64_t c_stride, Update update, Upcoming* upcoming) noexcept {
  RESGRAD_ASSERT(columns > 0 && columns <= kPanel && columns % kLanes == 0);
  RESGRAD_ASSERT(columns <= b_stride && columns <= c_stride);
  RESGRAD_ASSERT(a.layout != LeftLayout::rows || depth <= a.stride);
  RESGRAD_ASSERT(a.layout != LeftLayout::columns || rows <= a.stride);
  RESGRAD_ASSERT(a.layout != LeftLayout::tiles || a.stride <= tile_height(columns));
  multiply_vectors(columns / kLanes, a.layout, rows, depth, a.data, a.stride, b, b_stride, c,
                   c_stride, update, upcoming);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
