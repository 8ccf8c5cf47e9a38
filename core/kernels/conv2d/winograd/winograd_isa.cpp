#include "core/kernels/conv2d/winograd/winograd.h"

#include <omp.h>

#include "core/kernels/assert.h"
#include "core/kernels/conv2d/microkernel_isa.h"
#include "core/kernels/conv2d/output_isa.h"
#include "core/kernels/conv2d/winograd/transforms_isa.h"
#include "core/kernels/range_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

constexpr std::int64_t kTaps = 9;

// Calls f(i, n, th, tw) for the tiles of a range: tile (th, tw) of image n; i counts from 0.
template <class F>
RESGRAD_INLINE void for_each_tile(Range tiles, const WinogradPlan& plan, const F& f) {
  const std::int64_t per_image = plan.tiles_h * plan.tiles_w;
  std::int64_t n = tiles.begin / per_image, rest = tiles.begin % per_image;
  std::int64_t th = rest / plan.tiles_w, tw = rest % plan.tiles_w;
  for (std::int64_t i = 0; i < size(tiles); ++i) {
    f(i, n, th, tw);
    if (++tw < plan.tiles_w) continue;
    tw = 0;
    if (++th < plan.tiles_h) continue;
    th = 0, ++n;
  }
}

// One part of a pass: its number and its buffers.
struct Worker {
  Worker(const WinogradPlan& p, float* workspace, std::int64_t i)
      : plan(p),
        number(i),
        zeros(workspace + p.zeros),
        source(workspace + p.source.offset + i * p.source.per_part),
        product(workspace + p.product.offset + i * p.product.per_part),
        weight(workspace + p.weight.offset + i * p.weight.per_part) {}

  // This part's share of a range.
  Range share(Range all) const { return part(all, number, plan.parts); }

  const WinogradPlan& plan;
  std::int64_t number;
  const float* zeros;
  float *source, *product, *weight;
};

// ---- between images and planes

// planes[p][i] = the input tile number i of a range.
template <bool kNormRelu>
void source_to_planes_as(float* planes, const Conv2dInput<float>& x, Range tiles,
                         const Worker& worker) {
  const WinogradPlan& plan = worker.plan;
  for_each_tile(tiles, plan, [&](auto i, auto n, auto th, auto tw) {
    const auto tile =
        find_tile<6>(x.x, worker.zeros, n, 4 * th - 1, 4 * tw - 1, plan.h, plan.w, plan.c_pixel);
    float* to = planes + i * plan.source.row;
    for (std::int64_t c = 0; c < plan.c; c += kLanes) {
      const auto transform = [](Vector* t, const Vector* f) { transform_input(t, f); };
      if constexpr (kNormRelu) {
        transform_in(to + c, plan.source.plane, tile, c, transform, norm_relu_from(x.norm, c));
      } else {
        transform_in(to + c, plan.source.plane, tile, c, transform, Plain{});
      }
    }
  });
}

void source_to_planes(float* planes, const Conv2dInput<float>& x, Range tiles,
                      const Worker& worker) {
  RESGRAD_ASSERT(worker.plan.c % kLanes == 0 && worker.plan.c <= worker.plan.source.row);
  RESGRAD_ASSERT(size(tiles) <= worker.plan.chunk);
  x.norm.scale != nullptr ? source_to_planes_as<true>(planes, x, tiles, worker)
                          : source_to_planes_as<false>(planes, x, tiles, worker);
}

// The same for tiles of the output's gradient and a range of its channels.
void gradient_to_planes(float* planes, const float* dy, Range tiles, Range channels,
                        const Worker& worker) {
  const WinogradPlan& plan = worker.plan;
  RESGRAD_ASSERT(size(tiles) <= plan.chunk && plan.k % kLanes == 0);
  RESGRAD_ASSERT(size(channels) % kLanes == 0 && size(channels) <= plan.product.row);
  for_each_tile(tiles, plan, [&](auto i, auto n, auto th, auto tw) {
    const auto tile =
        find_tile<4>(dy, worker.zeros, n, 4 * th, 4 * tw, plan.h, plan.w, plan.k_pixel);
    float* to = planes + i * plan.product.row;
    for (std::int64_t c = channels.begin; c < channels.end; c += kLanes, to += kLanes) {
      transform_in(
          to, plan.product.plane, tile, c,
          [](Vector* t, const Vector* f) { transform_gradient(t, f); }, Plain{});
    }
  });
}

// Output tiles, a range of channels, from the planes of products.
template <bool kFinish>
void planes_to_output_as(const Output& out, const float* planes, Range tiles, Range channels,
                         const WinogradPlan& plan) {
  for_each_tile(tiles, plan, [&](auto i, auto n, auto th, auto tw) {
    const Output tile =
        from_channel(out, 0, ((n * plan.h + 4 * th) * plan.w + 4 * tw) * plan.k_pixel);
    const std::int64_t h = least(4, plan.h - 4 * th), w = least(4, plan.w - 4 * tw);
    const float* from = planes + i * plan.product.row;
    for (std::int64_t k = channels.begin; k < channels.end; k += kLanes, from += kLanes) {
      const auto transform = [&](const auto& write) {
        transform_out(tile.y + k, plan.w * plan.k_pixel, plan.k_pixel, h, w, from,
                      plan.product.plane, write);
      };
      if constexpr (kFinish) {
        transform(StoreFinished(from_channel(tile, k).epilogue));
      } else {
        transform(StorePlain{});
      }
    }
  });
}

void planes_to_output(const Output& out, const float* planes, Range tiles, Range channels,
                      const WinogradPlan& plan) {
  is_plain(out.epilogue) ? planes_to_output_as<false>(out, planes, tiles, channels, plan)
                         : planes_to_output_as<true>(out, planes, tiles, channels, plan);
}

// ---- between weights and planes
// In the planes, weights are a matrix [c, k] in panels of kPanel columns, each panel row-major. In
// w, [k, c, 3, 3], neighbouring columns lie 9 c floats apart, often a multiple of 512 bytes, which
// few sets of the L1 cache would hold. So a strip of some rows is copied out of, or into, w at
// once.

constexpr std::int64_t kStripRows = 16;

struct Strip {
  float column[kLanes][kStripRows * kTaps];
};

// taps[row][tap] = a vector of columns, from where their weights lie.
void gather_taps(float (*taps)[kTaps][kLanes], const float* w, Range rows, std::int64_t column,
                 const WinogradPlan& plan) {
  Strip strip;
  const float* from = &strip.column[0][0];
  std::int64_t row_stride = kTaps, column_stride = kStripRows * kTaps;
  const std::int64_t count = size(rows);
  if (plan.flip) {
    from = w + (rows.begin * plan.k + column) * kTaps;
    row_stride = plan.k * kTaps, column_stride = kTaps;
  } else {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      copy(strip.column[lane], w + ((column + lane) * plan.c + rows.begin) * kTaps, count * kTaps);
    }
  }
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const float* weight = from + r * row_stride + lane * column_stride;
      for (std::int64_t t = 0; t < kTaps; ++t) {
        taps[r][t][lane] = weight[plan.flip ? kTaps - 1 - t : t];
      }
    }
  }
}

void weights_to_planes(float* planes, const float* w, Range rows, Range columns,
                       const WinogradPlan& plan) {
  for (std::int64_t column = columns.begin; column < columns.end; column += kLanes) {
    const std::int64_t skip = column - columns.begin, panel = skip / kPanel * kPanel;
    const std::int64_t width = least(kPanel, size(columns) - panel);
    for (std::int64_t r0 = rows.begin; r0 < rows.end; r0 += kStripRows) {
      const Range strip{r0, least(rows.end, r0 + kStripRows)};
      float gathered[kStripRows][kTaps][kLanes];
      gather_taps(gathered, w, strip, column, plan);
      for (std::int64_t r = strip.begin; r < strip.end; ++r) {
        Vector taps[kTaps], result[kWinogradPlanes];
        for (std::int64_t t = 0; t < kTaps; ++t) taps[t] = load(gathered[r - strip.begin][t]);
        transform_square<6, 3>(result, taps,
                               [](Vector* t, const Vector* f) { transform_weight(t, f); });
        float* to = planes + panel * plan.c + r * width + skip - panel;
        for (const Vector& v : result) {
          store(to, v);
          to += plan.weight.plane;
        }
      }
    }
  }
}

// dw of some rows and columns from the sum of `parts` sets of planes. Here the planes are plain
// row-major matrices; `planes` is where the range's columns begin.
void planes_to_weights(float* dw, const float* planes, std::int64_t parts, Range rows,
                       Range columns, const WinogradPlan& plan) {
  const WinogradBuffer& buffer = plan.weight;
  for (std::int64_t k = columns.begin; k < columns.end; k += kLanes) {
    for (std::int64_t r0 = rows.begin; r0 < rows.end; r0 += kStripRows) {
      const std::int64_t count = least(rows.end - r0, kStripRows);
      Strip strip;
      for (std::int64_t r = 0; r < count; ++r) {
        Vector sum[kWinogradPlanes], taps[kTaps];
        const float* from = planes + (r0 + r) * buffer.row + k - columns.begin;
        for (std::int64_t p = 0; p < kWinogradPlanes; ++p, from += buffer.plane) {
          sum[p] = load(from);
          for (std::int64_t i = 1; i < parts; ++i) sum[p] += load(from + i * buffer.per_part);
        }
        transform_square<3, 6>(taps, sum,
                               [](Vector* t, const Vector* f) { transform_weight_gradient(t, f); });
        for (std::int64_t lane = 0; lane < kLanes; ++lane) {
          for (std::int64_t t = 0; t < kTaps; ++t)
            strip.column[lane][r * kTaps + t] = taps[t][lane];
        }
      }
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        copy(dw + ((k + lane) * plan.c + r0) * kTaps, strip.column[lane], count * kTaps);
      }
    }
  }
}

// ---- products

// Calls f(plane, column, width) for the panels of columns of a range of planes, cut into `parts`.
template <class F>
void for_each_panel(std::int64_t columns, std::int64_t i, std::int64_t parts, const F& f) {
  const std::int64_t panels = (columns + kPanel - 1) / kPanel;
  const Range items = part({0, kWinogradPlanes * panels}, i, parts);
  for (std::int64_t item = items.begin; item < items.end; ++item) {
    const std::int64_t column = item % panels * kPanel;
    f(item / panels, column, least(kPanel, columns - column));
  }
}

// Part i of: product = source [tiles, c] times weight [c, columns], in every plane.
void multiply_by_weights(const Worker& worker, const float* weight, std::int64_t tiles,
                         std::int64_t columns, std::int64_t i, std::int64_t parts) {
  const WinogradPlan& plan = worker.plan;
  RESGRAD_ASSERT(tiles <= plan.chunk && columns <= plan.product.row);
  for_each_panel(columns, i, parts, [&](auto p, auto column, auto width) {
    multiply_panel(tiles, width, plan.c,
                   {worker.source + p * plan.source.plane, plan.source.row, LeftLayout::rows},
                   weight + p * plan.weight.plane + column * plan.c, width,
                   worker.product + p * plan.product.plane + column, plan.product.row,
                   Update::assign);
  });
}

// Part i of: weight (+)= the transpose of source [tiles, c] times product [tiles, columns].
void multiply_by_gradient(const Worker& worker, std::int64_t tiles, std::int64_t columns,
                          Update update, std::int64_t i, std::int64_t parts) {
  const WinogradPlan& plan = worker.plan;
  RESGRAD_ASSERT(tiles <= plan.chunk && columns <= plan.weight.row);
  for_each_panel(columns, i, parts, [&](auto p, auto column, auto width) {
    multiply_panel(plan.c, width, tiles,
                   {worker.source + p * plan.source.plane, plan.source.row, LeftLayout::columns},
                   worker.product + p * plan.product.plane + column, plan.product.row,
                   worker.weight + p * plan.weight.plane + column, plan.weight.row, update);
  });
}

// ---- passes

// The weights of a group, or where their gradient goes.
template <class T>
T* weights_of(T* w, std::int64_t group, const WinogradPlan& plan) {
  return w + group * plan.c * plan.k * kTaps;
}

// Within a parallel region: calls f(worker) for all parts of the plan, then waits.
template <class F>
RESGRAD_INLINE void for_each_worker(const WinogradPlan& plan, float* workspace, const F& f) {
  for_each_part(plan.parts, [&](std::int64_t i) { f(Worker(plan, workspace, i)); });
}

// Calls f(tiles) for the chunks of a range of tiles.
template <class F>
void for_each_chunk(Range tiles, const WinogradPlan& plan, const F& f) {
  const std::int64_t chunks = parts_of(tiles, plan.chunk);
  for (std::int64_t i = 0; i < chunks; ++i) f(part(tiles, i, chunks));
}

// Calls f(columns) for the part's blocks of columns.
template <class F>
void for_each_block(const Worker& worker, const F& f) {
  const WinogradPlan& plan = worker.plan;
  const Range own = worker.share({0, (plan.k + plan.columns - 1) / plan.columns});
  for (std::int64_t i = own.begin; i < own.end; ++i) {
    f(Range{i * plan.columns, least(plan.k, (i + 1) * plan.columns)});
  }
}

// Some tiles by one worker. Weights are planes, here and below.
void convolve_chunks(const Output& y, const Conv2dInput<float>& x, const float* weight, Range tiles,
                     const Worker& worker) {
  const WinogradPlan& plan = worker.plan;
  for_each_chunk(tiles, plan, [&](Range chunk) {
    source_to_planes(worker.source, x, chunk, worker);
    multiply_by_weights(worker, weight, size(chunk), plan.k, 0, 1);
    planes_to_output(y, worker.product, chunk, {0, plan.k}, plan);
  });
}

void convolve_tiles(const Output& y, const Conv2dInput<float>& x, const float* weight,
                    const WinogradPlan& plan, float* workspace) {
  for_each_worker(plan, workspace, [&](const Worker& worker) {
    convolve_chunks(y, x, weight, worker.share({0, plan.tiles}), worker);
  });
}

void convolve_planes(const Output& y, const Conv2dInput<float>& x, const float* weight,
                     const WinogradPlan& plan, float* workspace) {
  for_each_chunk({0, plan.tiles}, plan, [&](Range chunk) {
    for_each_worker(plan, workspace, [&](const Worker& worker) {
      const Range own = worker.share(chunk);
      source_to_planes(worker.source + (own.begin - chunk.begin) * plan.source.row, x, own, worker);
    });
    for_each_worker(plan, workspace, [&](const Worker& worker) {
      multiply_by_weights(worker, weight, size(chunk), plan.k, worker.number, plan.parts);
    });
    // without waiting: the next chunk's inputs are other planes
#pragma omp for schedule(static, 1) nowait
    for (std::int64_t i = 0; i < plan.parts; ++i) {
      const Worker worker(plan, workspace, i);
      const Range own = worker.share(chunk);
      planes_to_output(y, worker.product + (own.begin - chunk.begin) * plan.product.row, own,
                       {0, plan.k}, plan);
    }
  });
}

// By all threads, which share tiles or planes.
void convolve_shared(const Output& y, const Conv2dInput<float>& x, const float* weight,
                     const WinogradPlan& plan, float* workspace) {
  plan.sharing == WinogradSharing::tiles ? convolve_tiles(y, x, weight, plan, workspace)
                                         : convolve_planes(y, x, weight, plan, workspace);
}

// The source of every tile, in planes that the workers share.
void all_sources_to_planes(const Conv2dInput<float>& x, const WinogradPlan& plan,
                           float* workspace) {
  for_each_worker(plan, workspace, [&](const Worker& worker) {
    const Range own = worker.share({0, plan.tiles});
    source_to_planes(worker.source + own.begin * plan.source.row, x, own, worker);
  });
}

void convolve_columns(float* y, const Conv2dInput<float>& x, const float* w,
                      const WinogradPlan& plan, float* workspace) {
  const Range all{0, plan.tiles};
  all_sources_to_planes(x, plan, workspace);
  for_each_worker(plan, workspace, [&](const Worker& worker) {
    for_each_block(worker, [&](Range columns) {
      weights_to_planes(worker.weight, w, {0, plan.c}, columns, plan);
      multiply_by_weights(worker, worker.weight, plan.tiles, size(columns), 0, 1);
      planes_to_output({y}, worker.product, all, columns, plan);
    });
  });
}

// One group after the other, each by all threads. All parts of the workspace are free again when a
// thread comes to the next group: it waits for the others before it writes what they read.
void convolve_one_by_one(float* y, const Conv2dInput<float>& x, const float* w,
                         const WinogradPlan& plan, float* workspace) {
  for (std::int64_t g = 0; g < plan.groups; ++g) {
    float* y_g = y + g * plan.k;
    const float* w_g = weights_of(w, g, plan);
    const Conv2dInput<float> x_g = from_channel(x, g * plan.c);
    if (plan.sharing == WinogradSharing::columns) {
      convolve_columns(y_g, x_g, w_g, plan, workspace);
      continue;
    }
    for_each_worker(plan, workspace, [&](const Worker& worker) {
      weights_to_planes(worker.weight, w_g, worker.share({0, plan.c}), {0, plan.k}, plan);
    });
    convolve_shared({y_g}, x_g, workspace + plan.weight.offset, plan, workspace);
  }
}

void convolve_groups(float* y, const Conv2dInput<float>& x, const float* w,
                     const WinogradPlan& plan, float* workspace) {
  for_each_worker(plan, workspace, [&](const Worker& worker) {
    for_each_group(
        worker.share({0, plan.groups * plan.tiles}), plan.tiles, [&](std::int64_t g, Range tiles) {
          weights_to_planes(worker.weight, weights_of(w, g, plan), {0, plan.c}, {0, plan.k}, plan);
          convolve_chunks({y + g * plan.k}, from_channel(x, g * plan.c), worker.weight, tiles,
                          worker);
        });
  });
}

void convolve(float* y, const Conv2dInput<float>& x, const float* w, const WinogradPlan& plan,
              float* workspace) {
  fill_zero(workspace + plan.zeros, 6 * plan.c_pixel);
  const int threads = static_cast<int>(plan.parts);
#pragma omp parallel num_threads(threads)
  plan.sharing == WinogradSharing::groups ? convolve_groups(y, x, w, plan, workspace)
                                          : convolve_one_by_one(y, x, w, plan, workspace);
}

// ---- inference: planes of the weights of one group after the other, made beforehand

std::int64_t planes_of_group(const WinogradPlan& plan) {
  return kWinogradPlanes * plan.weight.plane;
}

void prepare(float* weights, const float* w, const WinogradPlan& plan) {
  for (std::int64_t g = 0; g < plan.groups; ++g) {
    weights_to_planes(weights + g * planes_of_group(plan), weights_of(w, g, plan), {0, plan.c},
                      {0, plan.k}, plan);
  }
}

void infer(float* y, const Conv2dInput<float>& x, const float* weights,
           const Conv2dEpilogue& epilogue, const WinogradPlan& plan, float* workspace) {
  const Output out{y, epilogue};
  fill_zero(workspace + plan.zeros, 6 * plan.c_pixel);
  const int threads = static_cast<int>(plan.parts);
#pragma omp parallel num_threads(threads)
  if (plan.sharing == WinogradSharing::groups) {
    for_each_worker(plan, workspace, [&](const Worker& worker) {
      for_each_group(worker.share({0, plan.groups * plan.tiles}), plan.tiles,
                     [&](std::int64_t g, Range tiles) {
                       convolve_chunks(from_channel(out, g * plan.k), from_channel(x, g * plan.c),
                                       weights + g * planes_of_group(plan), tiles, worker);
                     });
    });
  } else {
    for (std::int64_t g = 0; g < plan.groups; ++g) {
      convolve_shared(from_channel(out, g * plan.k), from_channel(x, g * plan.c),
                      weights + g * planes_of_group(plan), plan, workspace);
    }
  }
}

// Sum number i of a gradient, in planes.
float* sum_of(const WinogradPlan& plan, float* workspace, std::int64_t i) {
  return workspace + plan.weight.offset + i * plan.weight.per_part;
}

// One of these sums, by one worker, which has its place as `weight`.
void correlate_chunks(const float* dy, const Conv2dInput<float>& x, std::int64_t sum,
                      const Worker& worker) {
  const WinogradPlan& plan = worker.plan;
  Update update = Update::assign;
  for_each_chunk(part({0, plan.tiles}, sum, plan.sums), plan, [&](Range chunk) {
    source_to_planes(worker.source, x, chunk, worker);
    gradient_to_planes(worker.product, dy, chunk, {0, plan.k}, worker);
    multiply_by_gradient(worker, size(chunk), plan.k, update, 0, 1);
    update = Update::add;
  });
}

// The gradient of the weights, in planes: a sum for each share of the tiles.
void correlate_tiles(const float* dy, const Conv2dInput<float>& x, const WinogradPlan& plan,
                     float* workspace) {
  for_each_part(plan.sums, [&](std::int64_t i) {
    Worker worker(plan, workspace, omp_get_thread_num());
    worker.weight = sum_of(plan, workspace, i);
    correlate_chunks(dy, x, i, worker);
  });
}

// One of these sums, by all threads.
void correlate_planes(const float* dy, const Conv2dInput<float>& x, std::int64_t sum,
                      const WinogradPlan& plan, float* workspace) {
  const Range tiles = part({0, plan.tiles}, sum, plan.sums);
  for_each_chunk(tiles, plan, [&](Range chunk) {
    for_each_worker(plan, workspace, [&](const Worker& worker) {
      const Range own = worker.share(chunk);
      const std::int64_t skip = own.begin - chunk.begin;
      source_to_planes(worker.source + skip * plan.source.row, x, own, worker);
      gradient_to_planes(worker.product + skip * plan.product.row, dy, own, {0, plan.k}, worker);
    });
    for_each_part(plan.parts, [&](std::int64_t i) {
      Worker worker(plan, workspace, i);
      worker.weight = sum_of(plan, workspace, sum);
      multiply_by_gradient(worker, size(chunk), plan.k,
                           chunk.begin == tiles.begin ? Update::assign : Update::add, i,
                           plan.parts);
    });
  });
}

void backward_weight_columns(float* dw, const float* dy, const Conv2dInput<float>& x,
                             const WinogradPlan& plan, float* workspace) {
  const Range all{0, plan.tiles};
  all_sources_to_planes(x, plan, workspace);
  for_each_worker(plan, workspace, [&](const Worker& worker) {
    for_each_block(worker, [&](Range columns) {
      gradient_to_planes(worker.product, dy, all, columns, worker);
      multiply_by_gradient(worker, plan.tiles, size(columns), Update::assign, 0, 1);
      planes_to_weights(dw, worker.weight, 1, {0, plan.c}, columns, plan);
    });
  });
}

void backward_weight_one_by_one(float* dw, const Conv2dInput<float>& x, const float* dy,
                                const WinogradPlan& plan, float* workspace) {
  for (std::int64_t g = 0; g < plan.groups; ++g) {
    float* dw_g = weights_of(dw, g, plan);
    const float* dy_g = dy + g * plan.k;
    const Conv2dInput<float> x_g = from_channel(x, g * plan.c);
    if (plan.sharing == WinogradSharing::columns) {
      backward_weight_columns(dw_g, dy_g, x_g, plan, workspace);
      continue;
    }
    if (plan.sharing == WinogradSharing::tiles) {
      correlate_tiles(dy_g, x_g, plan, workspace);
    } else {
      for (std::int64_t i = 0; i < plan.sums; ++i) correlate_planes(dy_g, x_g, i, plan, workspace);
    }
    // plan_winograd() sees to it that every share has tiles, hence a sum
    for_each_worker(plan, workspace, [&](const Worker& worker) {
      planes_to_weights(dw_g, sum_of(plan, workspace, 0), plan.sums, worker.share({0, plan.c}),
                        {0, plan.k}, plan);
    });
  }
}

void backward_weight_groups(float* dw, const Conv2dInput<float>& x, const float* dy,
                            const WinogradPlan& plan, float* workspace) {
  for_each_worker(plan, workspace, [&](const Worker& own) {
    Worker worker = own;
    const std::int64_t first_sum = own.number * plan.sums;
    const Range groups = own.share({0, plan.groups});
    for (std::int64_t g = groups.begin; g < groups.end; ++g) {
      for (std::int64_t i = 0; i < plan.sums; ++i) {
        worker.weight = sum_of(plan, workspace, first_sum + i);
        correlate_chunks(dy + g * plan.k, from_channel(x, g * plan.c), i, worker);
      }
      planes_to_weights(weights_of(dw, g, plan), sum_of(plan, workspace, first_sum), plan.sums,
                        {0, plan.c}, {0, plan.k}, plan);
    }
  });
}

void backward_weight(float* dw, const Conv2dInput<float>& x, const float* dy,
                     const WinogradPlan& plan, float* workspace) {
  fill_zero(workspace + plan.zeros, 6 * most(plan.c_pixel, plan.k_pixel));
  const int threads = static_cast<int>(plan.parts);
#pragma omp parallel num_threads(threads)
  plan.sharing == WinogradSharing::groups ? backward_weight_groups(dw, x, dy, plan, workspace)
                                          : backward_weight_one_by_one(dw, x, dy, plan, workspace);
}

}  // namespace

template <class T>
WinogradKernels<T> winograd() {
  return {kLanes, kPanel, convolve, backward_weight, prepare, infer};
}
template WinogradKernels<float> winograd();

}  // namespace resgrad::kernels::RESGRAD_ISA
