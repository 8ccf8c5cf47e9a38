// How a pass of the engine `winograd` is cut, and where its parts lie in the workspace.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

/// How the work is divided into parts, one for each thread.
enum class WinogradSharing {
  tiles,    // each takes tiles of its own through all steps, in chunks that stay in its cache
  planes,   // all work on one chunk: the transforms by tiles, the products by planes
  columns,  // one chunk of all tiles; each takes blocks of columns, transforms of weights included
  groups  // each takes groups of its own, or tiles of a group, through all steps, weights included
};

/// Where a matrix for each plane lies in the workspace, in floats.
struct WinogradBuffer {
  std::int64_t offset;
  std::int64_t per_part;    // from one part's copy to the next; 0 if all share one
  std::int64_t plane, row;  // from one plane or row to the next
};

/// The sizes of one pass. The source is what tiles are read from, with `c` channels in a group: x,
/// or dy in backward_input. The result, with `k` channels, is y in the forward pass, dx in
/// backward_input, and dy in backward_weight, which is read as well.
struct WinogradPlan {
  std::int64_t n, source_h, source_w, result_h, result_w, c, k;
  std::int64_t groups;            // convolutions of their own, side by side in the channels
  std::int64_t c_pixel, k_pixel;  // from one pixel to the next: the channels of all groups
  std::int64_t points;            // of a transformed tile: 6 with stride 1, 5 with stride 2
  std::int64_t depth, width;      // of the products: c and k, for each phase
  std::int64_t tiles_h, tiles_w, tiles;
  std::int64_t chunk;    // most tiles that are transformed at a time
  std::int64_t columns;  // of one block, when threads share by columns
  std::int64_t parts;    // most threads; no more than tiles, or than tiles of all groups
  std::int64_t sums;     // of backward_weight: one for each of so many shares of the tiles
  WinogradSharing sharing;
  bool flip;  // weights as backward_input needs them
  WinogradBuffer source, product, weight;
  std::int64_t zeros, zeros_size;  // offset of zeros: lines of the padding
  std::int64_t floats;             // size of the workspace

  std::int64_t planes() const { return points * points; }
  std::int64_t source_phases() const { return points == 5 && !flip ? 4 : 1; }
  std::int64_t result_phases() const { return points == 5 && flip ? 4 : 1; }
};

}  // namespace resgrad::kernels
