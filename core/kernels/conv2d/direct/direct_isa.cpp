#include "core/kernels/conv2d/direct/direct.h"

#include <omp.h>

#include "core/kernels/assert.h"
#include "core/kernels/conv2d/microkernel_isa.h"
#include "core/kernels/conv2d/output_isa.h"
#include "core/kernels/norm_relu_isa.h"
#include "core/kernels/pack_isa.h"
#include "core/kernels/range_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

// Depth of a product at a time: that part of a panel of b stays in cache over all rows.
constexpr std::int64_t kDepth = 512;

// The steps of a product that ask for upcoming memory, a cache line each, are its last: this many
// times more than there are lines. What came earlier would have left the L2 cache again.
constexpr std::int64_t kStepsAhead = 3;

// Chunks of blocks for each thread where they are handed out one by one.
constexpr std::int64_t kChunksPerPart = 16;

// Calls f(row, n, h, w, count) for the lines of a range of rows: `count` positions from (h, w) of
// image n on; `row` counts from 0.
template <class F>
RESGRAD_INLINE void for_each_line(Range rows, const TapGrid& grid, const F& f) {
  const std::int64_t per_image = grid.grid_h * grid.grid_w;
  std::int64_t n = rows.begin / per_image, rest = rows.begin % per_image;
  std::int64_t h = rest / grid.grid_w, w = rest % grid.grid_w;
  for (std::int64_t row = 0; row < size(rows); w = 0) {
    const std::int64_t count = least(grid.grid_w - w, size(rows) - row);
    f(row, n, h, w, count);
    row += count;
    if (++h < grid.grid_h) continue;
    h = 0, ++n;
  }
}

// `count` floats in whole vectors.
RESGRAD_INLINE std::int64_t whole_vectors(std::int64_t count) {
  return (count + kLanes - 1) / kLanes * kLanes;
}

// Copies `count` floats in whole vectors, and thus up to kLanes - 1 more: rows of gathered pixels
// are padded, and filled from left to right.
RESGRAD_INLINE void copy_over(float* to, const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < whole_vectors(count); i += kLanes) store(to + i, load(from + i));
}

// Copies what a group has of some neighbouring pixels.
template <bool kNormRelu>
RESGRAD_INLINE void copy_pixels(float* to, const float* from, std::int64_t pixels,
                                const Conv2dInput<float>& x, const TapGrid& g) {
  if constexpr (kNormRelu) {
    for (std::int64_t i = 0; i < pixels; ++i) {
      copy_norm_relu(to + i * g.channels, from + i * g.pixel, x.norm, 0, g.channels);
    }
  } else if (g.pixel == g.channels) {
    copy(to, from, pixels * g.channels);
  } else {
    for (std::int64_t i = 0; i < pixels; ++i) {
      copy(to + i * g.channels, from + i * g.pixel, g.channels);
    }
  }
}

// The pixels under a line of taps at the border: tap 0 is at pixel w of the line, of which only a
// part may lie inside.
template <bool kNormRelu>
void gather_border(float* to, const float* line, std::int64_t w, const Conv2dInput<float>& x,
                   const TapGrid& g) {
  const std::int64_t c = g.channels;
  const std::int64_t begin = least(w < 0 ? -w : 0, g.taps_w);
  const std::int64_t end = most(begin, least(g.source_w - w, g.taps_w));
  fill_zero(to, begin * c);
  copy_pixels<kNormRelu>(to + begin * c, line + (w + begin) * g.pixel, end - begin, x, g);
  fill_zero(to + end * c, (g.taps_w - end) * c);
}

// gathered[row] = the pixels under the taps of lines [lines.begin, lines.end) of each row's
// position. Pixels under one line of taps are neighbours in memory.
template <bool kNormRelu>
void gather_as(float* gathered, const Conv2dInput<float>& x, Range rows, Range lines,
               const DirectPlan& plan) {
  const TapGrid& g = plan.grid;
  const std::int64_t run = g.taps_w * g.channels, to_row = plan.gathered_row;
  const bool dense = g.pixel == g.channels;
  const float* x_end = x.x + g.n * g.source_h * g.source_w * g.pixel;
  for_each_line(rows, g, [&](auto row, auto n, auto i, auto j, auto count) {
    const std::int64_t w = j * g.step_w + g.first_w;
    // of the positions from j on, [begin, end) have all taps inside of the source
    const std::int64_t begin = least(w < 0 ? (g.step_w - 1 - w) / g.step_w : 0, count);
    const std::int64_t room = g.source_w - g.taps_w - w;
    const std::int64_t end = most(begin, least(room < 0 ? 0 : room / g.step_w + 1, count));
    for (std::int64_t line = lines.begin; line < lines.end; ++line) {
      float* to = gathered + row * to_row + (line - lines.begin) * run;
      const std::int64_t h = i * g.step_h + g.first_h + line;
      if (h < 0 || h >= g.source_h) {
        for (std::int64_t k = 0; k < count; ++k) fill_zero(to + k * to_row, run);
        continue;
      }
      const float* from = x.x + (n * g.source_h + h) * g.source_w * g.pixel;
      const bool may_read_on = dense && x_end - from >= g.source_w * g.pixel + kLanes;
      RESGRAD_ASSERT((line - lines.begin) * run + whole_vectors(run) <= to_row);
      RESGRAD_ASSERT(begin == end || (w + begin * g.step_w >= 0 &&
                                      w + (end - 1) * g.step_w + g.taps_w <= g.source_w));
      for (std::int64_t k = 0; k < begin; ++k) {
        gather_border<kNormRelu>(to + k * to_row, from, w + k * g.step_w, x, g);
      }
      for (std::int64_t k = begin; k < end; ++k) {
        const float* pixels = from + (w + k * g.step_w) * g.pixel;
        if (!kNormRelu && may_read_on) {
          copy_over(to + k * to_row, pixels, run);
        } else {
          copy_pixels<kNormRelu>(to + k * to_row, pixels, g.taps_w, x, g);
        }
      }
      for (std::int64_t k = end; k < count; ++k) {
        gather_border<kNormRelu>(to + k * to_row, from, w + k * g.step_w, x, g);
      }
    }
  });
}

void gather(float* gathered, const Conv2dInput<float>& x, Range rows, Range lines,
            const DirectPlan& plan) {
  x.norm.scale != nullptr ? gather_as<true>(gathered, x, rows, lines, plan)
                          : gather_as<false>(gathered, x, rows, lines, plan);
}

// Whether row r of the product is pixel r of the result, so that it can be written in place.
bool writes_in_place(const TapGrid& g, const TapTarget& t) {
  return t.step_h == 1 && t.step_w == 1 && t.first_h == 0 && t.first_w == 0 && g.grid_h == t.h &&
         g.grid_w == t.w;
}

// The weights of each group as a matrix [depth, columns] in panels of kPanel columns, each panel
// row-major. By all threads of the team, which wait for each other at the end.
void pack_weights(float* packed, const float* w, const DirectPlan& plan) {
  const TapGrid& g = plan.grid;
  const TapWeights& from = plan.weights;
  const std::int64_t depth = g.taps_h * g.taps_w * g.channels;
  const std::int64_t columns = plan.target.columns, vectors = columns / kLanes;
#pragma omp for schedule(static)
  for (std::int64_t v = 0; v < plan.groups * vectors; ++v) {
    const std::int64_t group = v / vectors, k = v % vectors * kLanes, panel = k / kPanel * kPanel;
    const std::int64_t width = least(kPanel, columns - panel);
    const float* weights = w + group * from.group + from.first + k * from.column;
    float* to = packed + group * plan.packed_size + panel * depth + (k - panel);
    for (std::int64_t i = 0; i < g.taps_h; ++i) {
      for (std::int64_t j = 0; j < g.taps_w; ++j) {
        for (std::int64_t c = 0; c < g.channels; ++c, to += width) {
          const float* weight = weights + i * from.tap_h + j * from.tap_w + c * from.channel;
          for (std::int64_t lane = 0; lane < kLanes; ++lane) to[lane] = weight[lane * from.column];
        }
      }
    }
  }
}

// result (+)= a [rows, depth] times these rows and columns of the packed weights. `update` is how
// the results of the first rows are written, to which the others add.
void multiply(float* result, std::int64_t result_row, const float* a, std::int64_t a_row,
              const float* packed, std::int64_t rows, Range depths, Range own_columns,
              Update update, const DirectPlan& plan, Upcoming& upcoming) {
  const std::int64_t columns = plan.target.columns;
  const std::int64_t full = plan.grid.taps_h * plan.grid.taps_w * plan.grid.channels;
  const std::int64_t slices = parts_of(depths, kDepth);
  for (std::int64_t i = 0; i < slices; ++i) {
    const Range slice = part(depths, i, slices);
    for (std::int64_t q = own_columns.begin; q < own_columns.end; q += kPanel) {
      const std::int64_t width = least(kPanel, columns - q);
      multiply_panel(rows, width, size(slice),
                     {a + slice.begin - depths.begin, a_row, LeftLayout::rows},
                     packed + q * full + slice.begin * width, width, result + q, result_row,
                     slice.begin > 0 ? Update::add : update, &upcoming);
    }
  }
}

// Copies columns of the rows of a result to their pixels, and prefetches those of the next block:
// the hardware prefetcher does not follow strides of several pixels.
void scatter(float* y, const float* result, Range rows, Range columns, const DirectPlan& plan) {
  const TapTarget& t = plan.target;
  const std::int64_t ahead = plan.block / plan.grid.grid_w * t.step_h * t.w * t.pixel;
  for_each_line(rows, plan.grid, [&](auto row, auto n, auto i, auto j, auto count) {
    const std::int64_t h = i * t.step_h + t.first_h, w = j * t.step_w + t.first_w;
    float* to = y + ((n * t.h + h) * t.w + w) * t.pixel;
    const float* from = result + row * plan.result_row;
    for (std::int64_t k = 0; k < count; ++k, to += t.step_w * t.pixel, from += plan.result_row) {
      for (std::int64_t c = columns.begin; c < columns.end; c += 16) {
        __builtin_prefetch(to + ahead + c, 1, 2);
      }
      copy(to + columns.begin, from + columns.begin, size(columns));
    }
  });
}

// The first pixel that a row reads, padding and taps left aside.
const float* pixel_of(const float* x, std::int64_t row, const TapGrid& g) {
  const std::int64_t per_image = g.grid_h * g.grid_w;
  const std::int64_t n = row / per_image, rest = row % per_image;
  const std::int64_t h = rest / g.grid_w * g.step_h, w = rest % g.grid_w * g.step_w;
  return x + ((n * g.source_h + h) * g.source_w + w) * g.pixel;
}

// The pixels that the block of rows after this one reads.
Upcoming::Range next_pixels(const float* x, Range rows, Range share, const TapGrid& g) {
  const std::int64_t end = least(share.end, rows.end + size(rows));
  return {pixel_of(x, rows.end, g), pixel_of(x, end, g)};
}

// What is done to results, where they lie.
void finish(const Output& out, Range columns, std::int64_t rows, std::int64_t row_stride) {
  for (std::int64_t q = columns.begin; q < columns.end; q += kLanes) {
    const Output from = from_channel(out, q);
    const StoreFinished write(from.epilogue);
    for (std::int64_t r = 0; r < rows; ++r)
      write(from.y, r * row_stride, load(from.y + r * row_stride));
  }
}

// Some columns of a block of rows of the product of one group, whose operands begin with its
// channels.
void convolve_block(const Output& out, const Conv2dInput<float>& x, const float* packed, Range rows,
                    Range columns, float* gathered, float* own_result, const DirectPlan& plan) {
  const TapGrid& g = plan.grid;
  const TapTarget& t = plan.target;
  const std::int64_t line = g.taps_w * g.channels;
  const bool reads = plan.in_place && x.norm.scale == nullptr;
  const bool writes = writes_in_place(g, t);
  RESGRAD_ASSERT(size(rows) <= plan.block);
  float* result = writes ? out.y + rows.begin * t.pixel : own_result;
  const std::int64_t result_row = writes ? t.pixel : plan.result_row;
  // a result that is written once, whole, and is not read before all of it is there
  const bool streams = writes && plan.groups == 1 && g.taps_h * line <= kDepth &&
                       is_plain(out.epilogue) &&
                       worth_streaming(out.y, g.n * t.h * t.w * t.pixel * 4);
  const Update update = streams                                  ? Update::assign_past_caches
                        : writes && plan.target.columns > kPanel ? Update::assign_distant
                                                                 : Update::assign;
  Upcoming upcoming;
  // of several groups, what lies in between is not needed
  if (g.pixel == g.channels)
    upcoming.first = next_pixels(x.x, rows, {0, g.n * g.grid_h * g.grid_w}, g);
  for (std::int64_t i = 0; i < g.taps_h; i += plan.lines) {
    const Range lines{i, least(g.taps_h, i + plan.lines)};
    if (!reads) gather(gathered, x, rows, lines, plan);
    multiply(result, result_row, reads ? x.x + rows.begin * g.pixel : gathered,
             reads ? g.pixel : plan.gathered_row, packed, size(rows),
             {lines.begin * line, lines.end * line}, columns, update, plan, upcoming);
  }
  if (streams) finish_streaming();
  if (g.taps_h * line == 0) {  // positions that no tap reaches
    for (std::int64_t r = 0; r < size(rows); ++r) {
      fill_zero(result + r * result_row + columns.begin, size(columns));
    }
  }
  if (!writes) scatter(out.y, result, rows, columns, plan);
  if (!is_plain(out.epilogue))
    finish(from_channel(out, 0, rows.begin * t.pixel), columns, size(rows), t.pixel);
}

// All of it, by all threads of the team.
void convolve_packed(const Output& out, const Conv2dInput<float>& x, const float* packed,
                     const DirectPlan& plan, float* workspace) {
  const TapGrid& g = plan.grid;
  const Range all{0, g.n * g.grid_h * g.grid_w},
      panels{0, parts_of({0, plan.target.columns}, kPanel)};
  const std::int64_t blocks = parts_of(all, plan.block) * plan.column_parts;
  const std::int64_t items = plan.groups * blocks;
  const std::int64_t chunk = most(1, items / (kChunksPerPart * plan.parts));
  const std::int64_t thread = omp_get_thread_num();
  RESGRAD_ASSERT(thread < plan.parts);
  float* gathered = workspace + plan.gathered + thread * plan.gathered_size;
  float* own_result = workspace + plan.result + thread * plan.result_size;
  // Blocks go to the thread that is free: cores that others use too are not equally fast. Those of
  // a group follow each other, so that its weights stay in cache.
#pragma omp for schedule(dynamic, chunk)
  for (std::int64_t item = 0; item < items; ++item) {
    const std::int64_t group = item / blocks, block = item % blocks / plan.column_parts;
    const Range own = part(panels, item % plan.column_parts, plan.column_parts);
    convolve_block(from_channel(out, group * plan.target.columns),
                   from_channel(x, group * g.channels), packed + group * plan.packed_size,
                   part(all, block, blocks / plan.column_parts),
                   {own.begin * kPanel, least(own.end * kPanel, plan.target.columns)}, gathered,
                   own_result, plan);
  }
}

void convolve(float* y, const Conv2dInput<float>& x, const float* w, const DirectPlan& plan,
              float* workspace) {
  const int threads = static_cast<int>(plan.parts);
#pragma omp parallel num_threads(threads)
  {
    pack_weights(workspace + plan.packed, w, plan);
    convolve_packed({y}, x, workspace + plan.packed, plan, workspace);
  }
}

void prepare(float* weights, const float* w, const DirectPlan& plan) {
  const int threads = static_cast<int>(plan.parts);
#pragma omp parallel num_threads(threads)
  pack_weights(weights, w, plan);
}

void infer(float* y, const Conv2dInput<float>& x, const float* weights,
           const Conv2dEpilogue& epilogue, const DirectPlan& plan, float* workspace) {
  const int threads = static_cast<int>(plan.parts);
#pragma omp parallel num_threads(threads)
  convolve_packed({y, epilogue}, x, weights, plan, workspace);
}

// dw of each group = the sum of plan.sums matrices [depth, columns], in their order. By all threads
// of the team.
void add_weights(float* dw, const float* sums, const DirectPlan& plan) {
  const TapGrid& g = plan.grid;
  const TapWeights& to = plan.weights;
  const std::int64_t columns = plan.target.columns, vectors = columns / kLanes;
#pragma omp for schedule(static)
  for (std::int64_t v = 0; v < plan.groups * vectors; ++v) {
    const std::int64_t group = v / vectors, k = v % vectors * kLanes;
    const float* of_group = sums + group * plan.sums * plan.packed_size + k;
    float* weights = dw + group * to.group + to.first + k * to.column;
    for (std::int64_t c = 0; c < g.channels; ++c) {
      for (std::int64_t i = 0; i < g.taps_h; ++i) {
        for (std::int64_t j = 0; j < g.taps_w; ++j) {
          const float* from = of_group + ((i * g.taps_w + j) * g.channels + c) * columns;
          Vector sum = load(from);
          for (std::int64_t p = 1; p < plan.sums; ++p) sum += load(from + p * plan.packed_size);
          float* weight = weights + i * to.tap_h + j * to.tap_w + c * to.channel;
          for (std::int64_t lane = 0; lane < kLanes; ++lane) weight[lane * to.column] = sum[lane];
        }
      }
    }
  }
}

// Where the panel from column q on lies in packed gradients: panels are a line further apart than
// they are long, else they would all begin in one set of the L1 cache.
std::int64_t gradient_panel(std::int64_t q, std::int64_t rows) {
  return q * (rows + 1);
}

// Gradients [rows, columns] in panels of kPanel columns: those that the units lie in.
void pack_gradients(float* packed, const float* dy, std::int64_t rows, const TapTarget& target,
                    Range units) {
  const std::int64_t columns = target.columns;
  const std::int64_t panels = parts_of({0, columns}, kPanel), first = units.begin % panels;
  for (std::int64_t row = 0; row < rows; ++row, dy += target.pixel) {
    for (std::int64_t i = 0; i < least(size(units), panels); ++i) {
      const std::int64_t q = (first + i) % panels * kPanel;
      const std::int64_t width = least(kPanel, columns - q);
      copy(packed + gradient_panel(q, rows) + row * width, dy + q, width);
    }
  }
}

// sums (+)= left^T [depth, rows] times some panels of the gradients [rows, columns] of a block,
// which lie as they are, or in panels if they are packed. Asks for `upcoming` in its last steps.
void multiply_gradients(float* sums, const LeftMatrix& left, std::int64_t depth,
                        std::int64_t height, const float* gradients, std::int64_t rows,
                        Range panels, Update update, const DirectPlan& plan, Upcoming* upcoming) {
  const std::int64_t columns = plan.target.columns;
  const std::int64_t steps = parts_of({0, depth}, height) * rows;  // of a panel
  const std::int64_t asking = parts_of({0, kStepsAhead * cache_lines(*upcoming)}, steps);
  for (std::int64_t i = panels.begin; i < panels.end; ++i) {
    const std::int64_t q = i * kPanel, width = least(kPanel, columns - q);
    const float* panel = gradients + (plan.packs_gradients ? gradient_panel(q, rows) : q);
    multiply_panel(depth, width, rows, left, panel, plan.packs_gradients ? width : columns,
                   sums + q, columns, update, i + asking >= panels.end ? upcoming : nullptr);
  }
}

// sums = what a share of the positions adds to some units of the gradient of a group's weights, a
// matrix [depth, columns]; dy and x begin with the group's channels. Units are numbered panel by
// panel in each piece of the depth. In the calling thread's scratch memory.
void correlate(float* sums, const float* dy, const Conv2dInput<float>& x, Range share, Range units,
               const DirectPlan& plan, float* workspace) {
  const TapGrid& g = plan.grid;
  const std::int64_t columns = plan.target.columns, line = g.taps_w * g.channels;
  const std::int64_t pixel = plan.target.pixel;
  const std::int64_t panels = parts_of({0, columns}, kPanel), thread = omp_get_thread_num();
  RESGRAD_ASSERT(thread < plan.parts);
  const std::int64_t height = tile_height(columns);
  const bool packs = plan.packs_gradients;
  const bool reads = packs && plan.in_place && x.norm.scale == nullptr;
  float* gathered = workspace + plan.gathered + thread * plan.gathered_size;
  float* tiles = workspace + plan.tiles + thread * plan.tiles_size;
  float* gradients = workspace + plan.result + thread * plan.result_size;
  const std::int64_t blocks = parts_of(share, plan.block);
  for (std::int64_t block = 0; block < blocks; ++block) {
    const Range rows = part(share, block, blocks);
    const std::int64_t count = size(rows);
    const Update update = block > 0 ? Update::add : Update::assign;
    const float* dy_rows = dy + rows.begin * pixel;
    RESGRAD_ASSERT(count <= plan.block);
    RESGRAD_ASSERT(!packs || gradient_panel(columns, count) <= plan.result_size);
    RESGRAD_ASSERT(packs || pixel == columns);
    if (packs) pack_gradients(gradients, dy_rows, count, plan.target, units);
    const std::int64_t next = least(share.end, rows.end + count) - rows.end;
    Upcoming next_block;
    if (g.pixel == g.channels) {
      next_block = {next_pixels(x.x, rows, share, g),
                    {dy + rows.end * columns, dy + (rows.end + next) * columns}};
    }
    std::int64_t unit = 0;  // the first of a piece
    for (std::int64_t first = 0; first < g.taps_h; first += plan.lines) {
      const Range lines{first, least(g.taps_h, first + plan.lines)};
      const Range depths{lines.begin * line, lines.end * line};
      const std::int64_t pieces = parts_of(depths, plan.unit_depth);
      if (size(common(units, {unit, unit + pieces * panels})) == 0) {
        unit += pieces * panels;
        continue;
      }
      if (!reads) gather(gathered, x, rows, lines, plan);
      const float* pixels = reads ? x.x + rows.begin * g.pixel : gathered;
      const std::int64_t stride = reads ? g.pixel : plan.gathered_row;
      for (std::int64_t k = 0; k < pieces; ++k, unit += panels) {
        const Range own = common(units, {unit, unit + panels}), piece = part(depths, k, pieces);
        if (size(own) == 0) continue;
        LeftMatrix left{pixels + piece.begin - depths.begin, stride, LeftLayout::columns};
        if (packs) {
          RESGRAD_ASSERT(size(piece) * count + kLanes <= plan.tiles_size);
          pack_tiles(tiles, left.data, stride, size(piece), count, height);
          left = {tiles, height, LeftLayout::tiles};
        }
        Upcoming upcoming = own.end == units.end ? next_block : Upcoming{};
        multiply_gradients(sums + piece.begin * columns, left, size(piece), height,
                           packs ? gradients : dy_rows, count, {own.begin - unit, own.end - unit},
                           update, plan, &upcoming);
      }
    }
  }
}

void backward_weight(float* dw, const Conv2dInput<float>& x, const float* dy,
                     const DirectPlan& plan, float* workspace) {
  const TapGrid& g = plan.grid;
  const Range all{0, g.n * g.grid_h * g.grid_w};
  const int threads = static_cast<int>(plan.parts);
#pragma omp parallel num_threads(threads)
  {
    // no more sums than positions, so that each has a share
    for_each_part(plan.parts, [&](std::int64_t i) {
      const Range own = part({0, plan.groups * plan.sums * plan.units}, i, plan.parts);
      for_each_group(own, plan.units, [&](std::int64_t matrix, Range units) {
        const std::int64_t group = matrix / plan.sums;
        correlate(workspace + plan.packed + matrix * plan.packed_size,
                  dy + group * plan.target.columns, from_channel(x, group * g.channels),
                  part(all, matrix % plan.sums, plan.sums), units, plan, workspace);
      });
    });
    add_weights(dw, workspace + plan.packed, plan);
  }
}

}  // namespace

template <class T>
DirectKernels<T> direct() {
  return {kLanes, kPanel, 4 * kPanel, convolve, backward_weight, prepare, infer};
}
template DirectKernels<float> direct();

}  // namespace resgrad::kernels::RESGRAD_ISA
