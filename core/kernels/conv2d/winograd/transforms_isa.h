// The transforms of F(4x4, 3x3) on vectors of channels: first in one dimension, on the 3, 4 or 6
// elements of a row or column, then in two dimensions on tiles in memory.
#pragma once

#include "core/kernels/norm_relu_isa.h"
#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

// to = B' from: inputs into the domain of the products.
RESGRAD_INLINE void transform_input(Vector* to, const Vector* from) {
  const Vector even = from[4] - 4 * from[2], odd = from[3] - 4 * from[1];
  const Vector even2 = from[4] - from[2], odd2 = from[3] - from[1];
  to[0] = (4 * from[0] + from[4]) - 5 * from[2];
  to[1] = even + odd;
  to[2] = even - odd;
  to[3] = even2 + 2 * odd2;
  to[4] = even2 - 2 * odd2;
  to[5] = (4 * from[1] + from[5]) - 5 * from[3];
}

// to = A' from: products back to outputs.
RESGRAD_INLINE void transform_product(Vector* to, const Vector* from) {
  const Vector sum = from[1] + from[2], difference = from[1] - from[2];
  const Vector sum2 = from[3] + from[4], difference2 = from[3] - from[4];
  to[0] = from[0] + sum + sum2;
  to[1] = difference + 2 * difference2;
  to[2] = sum + 4 * sum2;
  to[3] = (difference + from[5]) + 8 * difference2;
}

// to = A from: gradients of outputs into the domain of the products.
RESGRAD_INLINE void transform_gradient(Vector* to, const Vector* from) {
  const Vector even = from[0] + from[2], odd = from[1] + from[3];
  const Vector even2 = from[0] + 4 * from[2], odd2 = from[1] + 4 * from[3];
  to[0] = from[0];
  to[1] = even + odd;
  to[2] = even - odd;
  to[3] = even2 + 2 * odd2;
  to[4] = even2 - 2 * odd2;
  to[5] = from[3];
}

// to = G from: weights into the domain of the products.
RESGRAD_INLINE void transform_weight(Vector* to, const Vector* from) {
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

// to = G' from: products back to gradients of weights.
RESGRAD_INLINE void transform_weight_gradient(Vector* to, const Vector* from) {
  constexpr float sixth = 1.0F / 6, twelfth = 1.0F / 12;
  const Vector sum = (from[1] + from[2]) * sixth, sum2 = from[3] + from[4];
  to[0] = (from[0] * 0.25F - sum) + sum2 * (twelfth / 2);
  to[1] = (from[2] - from[1]) * sixth + (from[3] - from[4]) * twelfth;
  to[2] = (from[5] - sum) + sum2 * sixth;
}

// The hardware prefetcher follows long runs of memory; the lines of a tile are short. So each tile
// prefetches the pixels of the tile below it (the last row of tiles: the top of the next image)
// into the L2 cache. Addresses behind the last image do no harm: such a prefetch is ignored.
RESGRAD_INLINE void fetch_early(const float* p) {
  __builtin_prefetch(p, 0, 2);
}

// A tile of kSize x kSize pixels in an image, of which only a part lies inside.
template <int kSize>
struct Tile {
  const float* row[kSize];          // first column inside; rows outside point to zeros
  std::int64_t top, bottom;         // rows inside
  std::int64_t begin, end, stride;  // columns inside; floats from one pixel to the next
  std::int64_t below;               // floats from a pixel to that of the tile below
};

// The tile whose first pixel, which may lie in the padding, is (h, w) of image n; `zeros` are those
// of kSize pixels.
template <int kSize>
RESGRAD_INLINE Tile<kSize> find_tile(const float* images, const float* zeros, std::int64_t n,
                                     std::int64_t h, std::int64_t w, std::int64_t height,
                                     std::int64_t width, std::int64_t pixel) {
  Tile<kSize> tile;
  tile.begin = w < 0 ? -w : 0;
  tile.end = width - w < kSize ? width - w : kSize;
  tile.stride = pixel;
  tile.top = h < 0 ? -h : 0;
  tile.bottom = height - h < kSize ? height - h : kSize;
  tile.below = 4 * width * pixel;
  for (int i = 0; i < kSize; ++i) {
    const bool inside = h + i >= 0 && h + i < height;
    tile.row[i] = inside ? images + ((n * height + h + i) * width + w + tile.begin) * pixel : zeros;
  }
  return tile;
}

// 36 planes = the transform of one vector of channels of a tile, which `transform` brings from
// kSize to 6 elements in each dimension, after `prepare` has been applied to the pixels inside.
template <int kSize, class Transform, class Prepare>
RESGRAD_INLINE void transform_in(float* to, std::int64_t plane, const Tile<kSize>& tile,
                                 std::int64_t channel, const Transform& transform,
                                 const Prepare& prepare) {
  Vector half[6][kSize];
  std::int64_t offset = channel;
  for (int j = 0; j < kSize; ++j) {
    Vector column[6] = {};
    if (j >= tile.begin && j < tile.end) {
      Vector pixels[kSize];
#pragma GCC unroll 6
      for (int i = 0; i < kSize; ++i) pixels[i] = prepare(load(tile.row[i] + offset));
      if constexpr (Prepare::kMovesZero) {
#pragma GCC unroll 6
        for (int i = 0; i < kSize; ++i) {
          if (i < tile.top || i >= tile.bottom) pixels[i] = Vector{};
        }
      }
#pragma GCC unroll 4
      for (int i = kSize - 4; i < kSize; ++i) fetch_early(tile.row[i] + offset + tile.below);
      transform(column, pixels);
      offset += tile.stride;
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) half[i][j] = column[i];
  }
  for (int i = 0; i < 6; ++i) {
    Vector row[6];
    transform(row, half[i]);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j, to += plane) store(to, row[j]);
  }
}

// Writes the h x w pixels that lie inside of an output tile from one vector of 36 products, with
// `write` (see output_isa.h).
template <class Write>
RESGRAD_INLINE void transform_out(float* to, std::int64_t to_row, std::int64_t to_pixel,
                                  std::int64_t h, std::int64_t w, const float* from,
                                  std::int64_t plane, const Write& write) {
  Vector half[4][6];
  for (int j = 0; j < 6; ++j) {
    Vector column[6], shorter[4];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) column[i] = load(from + (i * 6 + j) * plane);
    transform_product(shorter, column);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) half[i][j] = shorter[i];
  }
  for (int i = 0; i < 4; ++i) {
    if (i >= h) break;
    Vector row[4];
    transform_product(row, half[i]);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      if (j < w) {
        write(to, i * to_row + j * to_pixel, row[j]);
        fetch_early(to + (i + 4) * to_row + j * to_pixel);
      }
    }
  }
}

// kTo x kTo elements from kFrom x kFrom, as arrays of vectors: for weights.
template <int kTo, int kFrom, class Transform>
RESGRAD_INLINE void transform_square(Vector* to, const Vector* from, const Transform& transform) {
  Vector half[kTo][kFrom];
  for (int j = 0; j < kFrom; ++j) {
    Vector column[kFrom], result[kTo];
    for (int i = 0; i < kFrom; ++i) column[i] = from[i * kFrom + j];
    transform(result, column);
    for (int i = 0; i < kTo; ++i) half[i][j] = result[i];
  }
  for (int i = 0; i < kTo; ++i) transform(to + i * kTo, half[i]);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
