// The transforms of F(4x4, 3x3) and F(4x4, 2x2) on vectors of channels: first in one dimension, on
// the elements of a row or column, then in two dimensions on tiles in memory.
#pragma once

#include "core/kernels/norm_relu_isa.h"
#include "core/kernels/range_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

// The transforms of F(4, r) in one dimension: from tiles of 4 + r - 1 inputs, 4 outputs and r taps
// into the domain of the products, which has as many points, and back.
//   input            B' d
//   weight           G w
//   product          A' (of products), to outputs
//   gradient         A dy
//   weight_gradient  G' (of products), to gradients of taps

/// r = 3: points 0, 1, -1, 2, -2, infinity.
struct F43 {
  static constexpr int kPoints = 6, kTaps = 3;

  [[gnu::always_inline]] static void input(Vector* to, const Vector* from) {
    const Vector even = from[4] - 4 * from[2], odd = from[3] - 4 * from[1];
    const Vector even2 = from[4] - from[2], odd2 = from[3] - from[1];
    to[0] = (4 * from[0] + from[4]) - 5 * from[2];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even2 + 2 * odd2;
    to[4] = even2 - 2 * odd2;
    to[5] = (4 * from[1] + from[5]) - 5 * from[3];
  }

  [[gnu::always_inline]] static void product(Vector* to, const Vector* from) {
    const Vector sum = from[1] + from[2], difference = from[1] - from[2];
    const Vector sum2 = from[3] + from[4], difference2 = from[3] - from[4];
    to[0] = from[0] + sum + sum2;
    to[1] = difference + 2 * difference2;
    to[2] = sum + 4 * sum2;
    to[3] = (difference + from[5]) + 8 * difference2;
  }

  [[gnu::always_inline]] static void gradient(Vector* to, const Vector* from) {
    const Vector even = from[0] + from[2], odd = from[1] + from[3];
    const Vector even2 = from[0] + 4 * from[2], odd2 = from[1] + 4 * from[3];
    to[0] = from[0];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even2 + 2 * odd2;
    to[4] = even2 - 2 * odd2;
    to[5] = from[3];
  }

  [[gnu::always_inline]] static void weight(Vector* to, const Vector* from) {
    constexpr float sixth = 1.0F / 6, twelfth = 1.0F / 12;
    const Vector even = (from[0] + from[2]) * -sixth, odd = from[1] * sixth;
    const Vector even2 = from[0] * (twelfth / 2) + from[2] * sixth, odd2 = from[1] * twelfth;
    to[0] = from[0] * 0.25F;
    to[1] = even - odd;
    to[2] = even + odd;
    to[3] = even2 + odd2;
    to[4] = even2 - odd2;
    to[5] = from[2];
  }

  [[gnu::always_inline]] static void weight_gradient(Vector* to, const Vector* from) {
    constexpr float sixth = 1.0F / 6, twelfth = 1.0F / 12;
    const Vector sum = (from[1] + from[2]) * sixth, sum2 = from[3] + from[4];
    to[0] = (from[0] * 0.25F - sum) + sum2 * (twelfth / 2);
    to[1] = (from[2] - from[1]) * sixth + (from[3] - from[4]) * twelfth;
    to[2] = (from[5] - sum) + sum2 * sixth;
  }
};

/// r = 2: points 0, 1, -1, 2, infinity. The weight at point 0 is the first tap alone, that at
/// infinity the last.
struct F42 {
  static constexpr int kPoints = 5, kTaps = 2;

  [[gnu::always_inline]] static void input(Vector* to, const Vector* from) {
    const Vector difference = from[3] - from[1];
    to[0] = 2 * (from[0] - from[2]) + difference;
    to[1] = (from[3] - from[2]) - 2 * from[1];
    to[2] = (from[3] + 2 * from[1]) - 3 * from[2];
    to[3] = difference;
    to[4] = (from[4] - from[2]) - 2 * difference;
  }

  [[gnu::always_inline]] static void product(Vector* to, const Vector* from) {
    const Vector sum = from[1] + from[2], difference = from[1] - from[2];
    to[0] = (from[0] + sum) + from[3];
    to[1] = difference + 2 * from[3];
    to[2] = sum + 4 * from[3];
    to[3] = (difference + from[4]) + 8 * from[3];
  }

  [[gnu::always_inline]] static void gradient(Vector* to, const Vector* from) {
    const Vector even = from[0] + from[2], odd = from[1] + from[3];
    to[0] = from[0];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = (from[0] + 4 * from[2]) + (2 * from[1] + 8 * from[3]);
    to[4] = from[3];
  }

  [[gnu::always_inline]] static void weight(Vector* to, const Vector* from) {
    constexpr float sixth = 1.0F / 6, third = 1.0F / 3;
    to[0] = from[0] * 0.5F;
    to[1] = (from[0] + from[1]) * -0.5F;
    to[2] = (from[1] - from[0]) * sixth;
    to[3] = from[0] * sixth + from[1] * third;
    to[4] = from[1];
  }

  [[gnu::always_inline]] static void weight_gradient(Vector* to, const Vector* from) {
    constexpr float sixth = 1.0F / 6, third = 1.0F / 3;
    to[0] = (from[0] - from[1]) * 0.5F + (from[3] - from[2]) * sixth;
    to[1] = (from[4] - from[1] * 0.5F) + (from[2] * sixth + from[3] * third);
  }
};

// The hardware prefetcher follows long runs of memory; the lines of a tile are short. So each tile
// prefetches the pixels of the tile below it (the last row of tiles: the top of the next image)
// into the L2 cache. Addresses behind the last image do no harm: such a prefetch is ignored.
RESGRAD_INLINE void fetch_early(const float* p) {
  __builtin_prefetch(p, 0, 2);
}

/// Where tiles are read from: images of h x w pixels. `zeros` are as long as a line of a tile.
struct TileSource {
  const float *images, *zeros;
  std::int64_t h, w, pixel;
};

/// A tile of kSize x kSize pixels, of which only a part lies inside of the image.
template <int kSize>
struct Tile {
  const float* row[kSize];          // first column inside; rows outside point to zeros
  std::int64_t top, bottom;         // rows inside
  std::int64_t begin, end, stride;  // columns inside; floats from one pixel to the next
  std::int64_t below;               // floats from a pixel to that of the tile below
};

/// The tile of each kStep-th pixel in both dimensions whose first, which may lie in the padding, is
/// (h, w) of image n. Rows before `top` and columns before `begin` are not needed, and count as
/// outside.
template <int kSize, int kStep = 1>
RESGRAD_INLINE Tile<kSize> find_tile(const TileSource& source, std::int64_t n, std::int64_t h,
                                     std::int64_t w, std::int64_t top = 0, std::int64_t begin = 0) {
  const auto first = [&](std::int64_t at, std::int64_t from) {
    return most(from, (kStep - 1 - at) / kStep);
  };
  const auto last = [&](std::int64_t at, std::int64_t end) {
    return least(kSize, (end - at + kStep - 1) / kStep);
  };
  Tile<kSize> tile;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
  tile.top = first(h, top), tile.bottom = last(h, source.h);
  tile.begin = first(w, begin), tile.end = last(w, source.w);
  tile.stride = kStep * source.pixel;
  tile.below = 4 * kStep * source.w * source.pixel;
  const std::int64_t column = w + tile.begin * kStep;
  for (int i = 0; i < kSize; ++i) {
    const std::int64_t line = n * source.h + h + i * kStep;
    const bool inside = i >= tile.top && i < tile.bottom;
    tile.row[i] = inside ? source.images + (line * source.w + column) * source.pixel : source.zeros;
  }
  return tile;
}

/// Planes = the transform of one vector of channels of a tile, which kTransform brings from kFrom
/// to kPoints elements in each dimension, after `prepare` has been applied to the pixels inside.
/// Planes in rows before `first_row` and columns before `first_column` are left out.
template <int kPoints, auto kTransform, int kFrom, class Prepare>
RESGRAD_INLINE void transform_in(float* to, std::int64_t plane, const Tile<kFrom>& tile,
                                 std::int64_t channel, const Prepare& prepare, int first_row = 0,
                                 int first_column = 0) {
  Vector half[kPoints][kFrom];
  std::int64_t offset = channel;
  for (int j = 0; j < kFrom; ++j) {
    Vector column[kPoints] = {};
    if (j >= tile.begin && j < tile.end) {
      Vector pixels[kFrom];
#pragma GCC unroll 6
      for (int i = 0; i < kFrom; ++i) pixels[i] = prepare(load(tile.row[i] + offset));
      if constexpr (Prepare::kMovesZero) {
#pragma GCC unroll 6
        for (int i = 0; i < kFrom; ++i) {
          if (i < tile.top || i >= tile.bottom) pixels[i] = Vector{};
        }
      }
#pragma GCC unroll 4
      for (int i = kFrom - 4; i < kFrom; ++i) fetch_early(tile.row[i] + offset + tile.below);
      kTransform(column, pixels);
      offset += tile.stride;
    }
#pragma GCC unroll 6
    for (int i = 0; i < kPoints; ++i) half[i][j] = column[i];
  }
  to += first_row * kPoints * plane;
  for (int i = first_row; i < kPoints; ++i) {
    Vector row[kPoints];
    kTransform(row, half[i]);
#pragma GCC unroll 6
    for (int j = 0; j < kPoints; ++j, to += plane) {
      if (j >= first_column) store(to, row[j]);
    }
  }
}

/// Where an output tile goes: pixels a row and a column apart, h x w of which lie inside.
struct TileResult {
  float* first;
  std::int64_t row, column, h, w;
};

/// Writes an output tile from one vector of products, with `write` (see output_isa.h). There are
/// none in the last row or the last column of the planes if `no_last_row`, `no_last_column`.
template <class F, class Write>
RESGRAD_INLINE void transform_out(const TileResult& to, const float* from, std::int64_t plane,
                                  const Write& write, bool no_last_row = false,
                                  bool no_last_column = false) {
  constexpr int kPoints = F::kPoints;
  Vector half[4][kPoints];
  for (int j = 0; j < kPoints; ++j) {
    Vector column[kPoints] = {}, shorter[4];
    if (j + 1 < kPoints || !no_last_column) {
#pragma GCC unroll 6
      for (int i = 0; i < kPoints; ++i) {
        if (i + 1 < kPoints || !no_last_row) column[i] = load(from + (i * kPoints + j) * plane);
      }
    }
    F::product(shorter, column);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) half[i][j] = shorter[i];
  }
  for (int i = 0; i < 4; ++i) {
    if (i >= to.h) break;
    Vector row[4];
    F::product(row, half[i]);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      if (j < to.w) {
        write(to.first, i * to.row + j * to.column, row[j]);
        fetch_early(to.first + (i + 4) * to.row + j * to.column);
      }
    }
  }
}

/// kTo x kTo elements from kFrom x kFrom, as arrays of vectors: for weights.
template <int kTo, int kFrom, auto kTransform>
RESGRAD_INLINE void transform_square(Vector* to, const Vector* from) {
  Vector half[kTo][kFrom];
  for (int j = 0; j < kFrom; ++j) {
    Vector column[kFrom], result[kTo];
    for (int i = 0; i < kFrom; ++i) column[i] = from[i * kFrom + j];
    kTransform(result, column);
    for (int i = 0; i < kTo; ++i) half[i][j] = result[i];
  }
  for (int i = 0; i < kTo; ++i) kTransform(to + i * kTo, half[i]);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
