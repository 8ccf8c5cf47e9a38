// The matrix product that the convolution engines are made of, on panels: blocks of columns that a
// few vector registers hold.
#pragma once

#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

/// Vectors across a panel: as many as leave registers for enough rows.
constexpr std::int64_t kPanelVectors = kLanes == 16 ? 4 : 2;
constexpr std::int64_t kLineFloats = 16;  // in a cache line
constexpr std::int64_t kPanel = kPanelVectors * kLanes;

/// How the left operand lies in memory.
enum class LeftLayout {
  rows,     // element (row, d) at data[row * stride + d]
  columns,  // at data[d * stride + row]
  tiles     // as pack_tiles() wrote it, `stride` being the height of the tiles
};

struct LeftMatrix {
  const float* data;
  std::int64_t stride;
  LeftLayout layout;
};

/// The height of tiles for products with this number of columns, which may be cut into panels.
std::int64_t tile_height(std::int64_t columns);

/// Copies the left operand [rows, depth] from columns, element (row, d) at from[d * stride + row],
/// to tiles of nearly equal heights of at most `height` rows, one behind the other: all that a tile
/// of the product reads is then one stream. Writes less than kLanes floats behind the last tile.
void pack_tiles(float* tiles, const float* from, std::int64_t stride, std::int64_t rows,
                std::int64_t depth, std::int64_t height) noexcept;

enum class Update {
  assign,              // c = a b
  assign_distant,      // the same where c is not in cache and its rows lie apart: they are fetched
                       // early
  assign_past_caches,  // the same where c will not be read soon: see worth_streaming()
  add                  // c += a b
};

/// Memory that is needed after the product: while it multiplies, the product asks for it, one cache
/// line per step along the depth, first for one range, then for the other.
struct Upcoming {
  struct Range {
    const float *next, *end;
  };
  Range first = {}, second = {};
};

/// The cache lines of it.
RESGRAD_INLINE std::int64_t cache_lines(const Upcoming& u) {
  return (u.first.end - u.first.next + u.second.end - u.second.next) / kLineFloats;
}

/// c = a b, or c += a b, for a [rows, depth], b [depth, columns] and c [rows, columns] with the
/// given row strides; columns is a multiple of kLanes, at most kPanel. Advances `upcoming`, which
/// may be null.
void multiply_panel(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                    const LeftMatrix& a, const float* b, std::int64_t b_stride, float* c,
                    std::int64_t c_stride, Update update, Upcoming* upcoming = nullptr) noexcept;

}  // namespace resgrad::kernels::RESGRAD_ISA
