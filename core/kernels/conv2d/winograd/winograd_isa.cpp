#include "core/kernels/conv2d/winograd/winograd.h"

#include <omp.h>

#include "core/kernels/assert.h"
#include "core/kernels/conv2d/microkernel_isa.h"
#include "core/kernels/conv2d/output_isa.h"
#include "core/kernels/conv2d/winograd/planes_isa.h"
#include "core/kernels/range_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

constexpr std::int64_t kTaps = 9;

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

// ---- products

// Calls f(plane, columns of it, column, width) for the panels in part i of `parts`. A plane that
// has fewer columns than others has fewer panels.
template <class F>
void for_each_panel(const WinogradPlan& plan, Range columns, std::int64_t i, std::int64_t parts,
                    const F& f) {
  const std::int64_t panels = parts_of(columns, kPanel);
  const Range items = part({0, plan.planes() * panels}, i, parts);
  for (std::int64_t item = items.begin; item < items.end; ++item) {
    const std::int64_t p = item / panels;
    const Range present = columns_of(plan, p, columns);
    const std::int64_t column = present.begin + item % panels * kPanel;
    if (column < present.end) f(p, present, column, least(kPanel, present.end - column));
  }
}

// Part i of: product = source [tiles, depth] times weight [depth, columns], in every plane.
void multiply_by_weights(const Worker& worker, const float* weight, std::int64_t tiles,
                         Range columns, std::int64_t i, std::int64_t parts) {
  const WinogradPlan& plan = worker.plan;
  RESGRAD_ASSERT(tiles <= plan.chunk && size(columns) <= plan.product.row);
  for_each_panel(plan, columns, i, parts, [&](auto p, Range present, auto column, auto width) {
    const Range depth = depth_of(plan, p);
    const float* panel = weight + p * plan.weight.plane + (column - present.begin) * plan.depth;
    multiply_panel(
        tiles, width, size(depth),
        {worker.source + p * plan.source.plane + depth.begin, plan.source.row, LeftLayout::rows},
        panel + depth.begin * width, width,
        worker.product + p * plan.product.plane + column - columns.begin, plan.product.row,
        Update::assign);
  });
}

// Part i of: weight (+)= the transpose of source [tiles, depth] times product [tiles, columns].
void multiply_by_gradient(const Worker& worker, std::int64_t tiles, Range columns, Update update,
                          std::int64_t i, std::int64_t parts) {
  const WinogradPlan& plan = worker.plan;
  RESGRAD_ASSERT(tiles <= plan.chunk && size(columns) <= plan.weight.row);
  for_each_panel(plan, columns, i, parts, [&](auto p, Range, auto column, auto width) {
    const Range depth = depth_of(plan, p);
    const std::int64_t skip = column - columns.begin;
    multiply_panel(
        size(depth), width, tiles,
        {worker.source + p * plan.source.plane + depth.begin, plan.source.row, LeftLayout::columns},
        worker.product + p * plan.product.plane + skip * plan.chunk, width,
        worker.weight + p * plan.weight.plane + depth.begin * plan.weight.row + skip,
        plan.weight.row, update);
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
  const Range own = worker.share({0, (plan.width + plan.columns - 1) / plan.columns});
  for (std::int64_t i = own.begin; i < own.end; ++i) {
    f(Range{i * plan.columns, least(plan.width, (i + 1) * plan.columns)});
  }
}

// Some tiles by one worker. Weights are planes, here and below.
void convolve_chunks(const Output& y, const Conv2dInput<float>& x, const float* weight, Range tiles,
                     const Worker& worker) {
  const WinogradPlan& plan = worker.plan;
  for_each_chunk(tiles, plan, [&](Range chunk) {
    source_to_planes(worker.source, x, chunk, plan, worker.zeros);
    multiply_by_weights(worker, weight, size(chunk), {0, plan.width}, 0, 1);
    planes_to_output(y, worker.product, chunk, {0, plan.width}, plan);
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
      source_to_planes(worker.source + (own.begin - chunk.begin) * plan.source.row, x, own, plan,
                       worker.zeros);
    });
    for_each_worker(plan, workspace, [&](const Worker& worker) {
      multiply_by_weights(worker, weight, size(chunk), {0, plan.width}, worker.number, plan.parts);
    });
    // without waiting: the next chunk's inputs are other planes
#pragma omp for schedule(static, 1) nowait
    for (std::int64_t i = 0; i < plan.parts; ++i) {
      const Worker worker(plan, workspace, i);
      const Range own = worker.share(chunk);
      planes_to_output(y, worker.product + (own.begin - chunk.begin) * plan.product.row, own,
                       {0, plan.width}, plan);
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
    source_to_planes(worker.source + own.begin * plan.source.row, x, own, plan, worker.zeros);
  });
}

void convolve_columns(float* y, const Conv2dInput<float>& x, const float* w,
                      const WinogradPlan& plan, float* workspace) {
  const Range all{0, plan.tiles};
  all_sources_to_planes(x, plan, workspace);
  for_each_worker(plan, workspace, [&](const Worker& worker) {
    for_each_block(worker, [&](Range columns) {
      weights_to_planes(worker.weight, w, {0, plan.c}, columns, plan);
      multiply_by_weights(worker, worker.weight, plan.tiles, columns, 0, 1);
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
      weights_to_planes(worker.weight, w_g, worker.share({0, plan.c}), {0, plan.width}, plan);
    });
    convolve_shared({y_g}, x_g, workspace + plan.weight.offset, plan, workspace);
  }
}

void convolve_groups(float* y, const Conv2dInput<float>& x, const float* w,
                     const WinogradPlan& plan, float* workspace) {
  for_each_worker(plan, workspace, [&](const Worker& worker) {
    for_each_group(worker.share({0, plan.groups * plan.tiles}), plan.tiles,
                   [&](std::int64_t g, Range tiles) {
                     weights_to_planes(worker.weight, weights_of(w, g, plan), {0, plan.c},
                                       {0, plan.width}, plan);
                     convolve_chunks({y + g * plan.k}, from_channel(x, g * plan.c), worker.weight,
                                     tiles, worker);
                   });
  });
}

void convolve(float* y, const Conv2dInput<float>& x, const float* w, const WinogradPlan& plan,
              float* workspace) {
  fill_zero(workspace + plan.zeros, plan.zeros_size);
  const int threads = static_cast<int>(plan.parts);
#pragma omp parallel num_threads(threads)
  plan.sharing == WinogradSharing::groups ? convolve_groups(y, x, w, plan, workspace)
                                          : convolve_one_by_one(y, x, w, plan, workspace);
}

// ---- inference: planes of the weights of one group after the other, made beforehand

std::int64_t planes_of_group(const WinogradPlan& plan) {
  return plan.planes() * plan.weight.plane;
}

void prepare(float* weights, const float* w, const WinogradPlan& plan) {
  for (std::int64_t g = 0; g < plan.groups; ++g) {
    weights_to_planes(weights + g * planes_of_group(plan), weights_of(w, g, plan), {0, plan.c},
                      {0, plan.width}, plan);
  }
}

void infer(float* y, const Conv2dInput<float>& x, const float* weights,
           const Conv2dEpilogue& epilogue, const WinogradPlan& plan, float* workspace) {
  const Output out{y, epilogue};
  fill_zero(workspace + plan.zeros, plan.zeros_size);
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
    source_to_planes(worker.source, x, chunk, plan, worker.zeros);
    gradient_to_planes(worker.product, 0, dy, chunk, {0, plan.k}, plan, worker.zeros);
    multiply_by_gradient(worker, size(chunk), {0, plan.k}, update, 0, 1);
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
      source_to_planes(worker.source + skip * plan.source.row, x, own, plan, worker.zeros);
      gradient_to_planes(worker.product, skip, dy, own, {0, plan.k}, plan, worker.zeros);
    });
    for_each_part(plan.parts, [&](std::int64_t i) {
      Worker worker(plan, workspace, i);
      worker.weight = sum_of(plan, workspace, sum);
      multiply_by_gradient(worker, size(chunk), {0, plan.k},
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
      gradient_to_planes(worker.product, 0, dy, all, columns, plan, worker.zeros);
      multiply_by_gradient(worker, plan.tiles, columns, Update::assign, 0, 1);
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
  fill_zero(workspace + plan.zeros, plan.zeros_size);
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
