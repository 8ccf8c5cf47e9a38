#include "core/kernels/conv2d/winograd/planes_isa.h"

#include "core/kernels/assert.h"
#include "core/kernels/conv2d/microkernel_isa.h"
#include "core/kernels/conv2d/winograd/transforms_isa.h"
#include "core/kernels/transpose_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {
namespace {

constexpr std::int64_t kTaps = 9;

struct Phase {
  bool odd_line, odd_column;
};

constexpr Phase kPhases[] = {{true, false}, {true, true}, {false, true}, {false, false}};

// The phases that plane p has: where its zero tap is the only one, an even one is missing.
Range phases_of(const WinogradPlan& plan, std::int64_t p) {
  const std::int64_t missing = plan.flip ? plan.points - 1 : 0;
  const bool odd_lines = p / plan.points == missing, odd_columns = p % plan.points == missing;
  return {odd_columns ? 1 : 0, odd_lines ? 2 : odd_columns ? 3 : 4};
}

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

// ---- between images and planes

// kInPhases: x is read in four phases.
template <class F, bool kNormRelu, bool kInPhases>
void source_to_planes_as(float* planes, const Conv2dInput<float>& x, Range tiles,
                         const WinogradPlan& plan, const float* zeros) {
  constexpr int kStep = kInPhases ? 2 : 1;
  const TileSource source{x.x, zeros, plan.source_h, plan.source_w, plan.c_pixel};
  // the first pixel of a tile before its first output, where that is read in one piece
  constexpr std::int64_t kBefore = F::kTaps == 3 ? 1 : 0;
  for_each_tile(tiles, plan, [&](auto i, auto n, auto th, auto tw) {
    for (std::int64_t f = 0; f < kStep * kStep; ++f) {
      const bool no_line = kInPhases && !kPhases[f].odd_line;
      const bool no_column = kInPhases && !kPhases[f].odd_column;
      const std::int64_t h = 4 * kStep * th - (kInPhases ? 1 + no_line : kBefore);
      const std::int64_t w = 4 * kStep * tw - (kInPhases ? 1 + no_column : kBefore);
      const auto tile = find_tile<F::kTaps + 3, kStep>(source, n, h, w, no_line, no_column);
      float* to = planes + i * plan.source.row + f * plan.c;
      for (std::int64_t c = 0; c < plan.c; c += kLanes) {
        const auto transform = [&](const auto& prepare) {
          transform_in<F::kPoints, F::input>(to + c, plan.source.plane, tile, c, prepare, no_line,
                                             no_column);
        };
        if constexpr (kNormRelu) {
          transform(norm_relu_from(x.norm, c));
        } else {
          transform(Plain{});
        }
      }
    }
  });
}

template <class F>
void gradient_to_planes_as(float* planes, std::int64_t first, const float* dy, Range tiles,
                           Range channels, const WinogradPlan& plan, const float* zeros) {
  const TileSource source{dy, zeros, plan.result_h, plan.result_w, plan.k_pixel};
  for_each_tile(tiles, plan, [&](auto i, auto n, auto th, auto tw) {
    const auto tile = find_tile<4>(source, n, 4 * th, 4 * tw);
    for (std::int64_t c0 = channels.begin; c0 < channels.end; c0 += kPanel) {
      const std::int64_t width = least(kPanel, channels.end - c0);
      float* to = planes + (c0 - channels.begin) * plan.chunk + (first + i) * width;
      for (std::int64_t c = c0; c < c0 + width; c += kLanes, to += kLanes) {
        transform_in<F::kPoints, F::gradient>(to, plan.product.plane, tile, c, Plain{});
      }
    }
  });
}

// kInPhases: dx is written in four phases.
template <class F, bool kFinish, bool kInPhases>
void planes_to_output_as(const Output& out, const float* planes, Range tiles, Range columns,
                         const WinogradPlan& plan) {
  constexpr std::int64_t kStep = kInPhases ? 2 : 1;
  const std::int64_t line = plan.result_w * plan.k_pixel;
  for_each_tile(tiles, plan, [&](auto i, auto n, auto th, auto tw) {
    for (std::int64_t f = 0; f < kStep * kStep; ++f) {
      const Range own = common(columns, {f * plan.k, (f + 1) * plan.k});
      const bool no_line = kInPhases && !kPhases[f].odd_line;
      const bool no_column = kInPhases && !kPhases[f].odd_column;
      const std::int64_t h = 4 * kStep * th + (kInPhases && !no_line);
      const std::int64_t w = 4 * kStep * tw + (kInPhases && !no_column);
      const Output tile = from_channel(out, 0, (n * plan.result_h + h) * line + w * plan.k_pixel);
      TileResult to{nullptr, kStep * line, kStep * plan.k_pixel,
                    least(4, (plan.result_h - h + kStep - 1) / kStep),
                    least(4, (plan.result_w - w + kStep - 1) / kStep)};
      const float* from = planes + i * plan.product.row + own.begin - columns.begin;
      for (std::int64_t k = own.begin; k < own.end; k += kLanes, from += kLanes) {
        const std::int64_t channel = k - f * plan.k;
        to.first = tile.y + channel;
        const auto transform = [&](const auto& write) {
          transform_out<F>(to, from, plan.product.plane, write, no_line, no_column);
        };
        if constexpr (kFinish) {
          transform(StoreFinished(from_channel(tile, channel).epilogue));
        } else {
          transform(StorePlain{});
        }
      }
    }
  });
}

// ---- between weights and planes
// In w, [k, c, 3, 3], the taps of a weight are neighbours; the transforms need those of
// neighbouring columns side by side. Columns often lie a multiple of 512 bytes apart, which few
// sets of the L1 cache would hold. So a strip of some rows is copied out of, or into, w at once,
// and transposed.

constexpr std::int64_t kStripRows = 16, kStripTaps = kStripRows * kTaps;
static_assert(kStripTaps % kLanes == 0);

constexpr std::int64_t kRowsAhead = 3;
using StripColumns = float[kLanes][kStripTaps];  // of a column: the taps of each row
using StripTaps = float[kStripTaps][kLanes];     // of a tap of a row: all columns

// From one form to the other.
template <class To, class From>
RESGRAD_INLINE void transpose_strip(To& to, const From& from, std::int64_t rows) {
  constexpr bool kToTaps = sizeof(to[0]) == kLanes * sizeof(float);
  for (std::int64_t i = 0; i < rows * kTaps; i += kLanes) {
    Vector square[kLanes];
    for (std::int64_t j = 0; j < kLanes; ++j) {
      square[j] = kToTaps ? load(from[j] + i) : load(from[i + j]);
    }
    transpose(square);
    for (std::int64_t j = 0; j < kLanes; ++j) {
      store(kToTaps ? to[i + j] : to[j] + i, square[j]);
    }
  }
}

// The taps of some rows and of a vector of columns, from where their weights lie.
void gather_taps(StripTaps& taps, const float* w, Range rows, std::int64_t column,
                 const WinogradPlan& plan) {
  StripColumns columns;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
  const std::int64_t count = size(rows);
  for (std::int64_t lane = 0; lane < kLanes; ++lane) {
    if (!plan.flip) {
      copy(columns[lane], w + ((column + lane) * plan.c + rows.begin) * kTaps, count * kTaps);
      continue;
    }
    for (std::int64_t r = 0; r < count; ++r) {
      __builtin_memcpy(columns[lane] + r * kTaps,
                       w + ((rows.begin + r) * plan.k + column + lane) * kTaps,
                       kTaps * sizeof(float));
    }
  }
  transpose_strip(taps, columns, count);
}

// Of the 3 taps along a dimension, the one that stands at place i of the 2 of a phase; -1: a zero.
int tap_at(int i, bool odd, bool flip) {
  return odd ? 2 * i : i == (flip ? 0 : 1) ? 1 : -1;
}

// The weights of a phase in the domain of the products.
RESGRAD_INLINE void transform_taps(Vector* result, const float (*gathered)[kLanes], F43,
                                   const Phase&, bool flip) {
  Vector taps[kTaps];
  for (std::int64_t t = 0; t < kTaps; ++t) taps[t] = load(gathered[flip ? kTaps - 1 - t : t]);
  transform_square<6, 3, F43::weight>(result, taps);
}

RESGRAD_INLINE void transform_taps(Vector* result, const float (*gathered)[kLanes], F42,
                                   const Phase& phase, bool flip) {
  Vector taps[4];
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const int line = tap_at(i, phase.odd_line, flip), column = tap_at(j, phase.odd_column, flip);
      const int tap = flip ? 8 - (3 * line + column) : 3 * line + column;
      taps[2 * i + j] = line < 0 || column < 0 ? Vector{} : load(gathered[tap]);
    }
  }
  transform_square<5, 2, F42::weight>(result, taps);
}

template <class F>
void weights_to_planes_as(float* planes, const float* w, Range rows, Range columns,
                          const WinogradPlan& plan) {
  constexpr std::int64_t kPlanes = F::kPoints * F::kPoints;
  for (std::int64_t f = 0; f < plan.source_phases() * plan.result_phases(); ++f) {
    const std::int64_t first_row = plan.flip ? 0 : f * plan.c, first = plan.flip ? f * plan.k : 0;
    const Range own = common(columns, {first, first + plan.k});
    for (std::int64_t column = own.begin; column < own.end; column += kLanes) {
      // where the column begins in each plane, and from one row to the next; null if it is missing
      float* to[kPlanes];
      std::int64_t width[kPlanes];
      for (std::int64_t p = 0; p < kPlanes; ++p) {
        const Range present = columns_of(plan, p, columns);
        const std::int64_t skip = column - present.begin, panel = skip / kPanel * kPanel;
        const bool missing = column < present.begin || column >= present.end;
        to[p] =
            missing ? nullptr : planes + p * plan.weight.plane + panel * plan.depth + skip - panel;
        width[p] = least(kPanel, size(present) - panel);
      }
      for (std::int64_t r0 = rows.begin; r0 < rows.end; r0 += kStripRows) {
        const Range strip{r0, least(rows.end, r0 + kStripRows)};
        StripTaps gathered;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
        gather_taps(gathered, w, strip, column - first, plan);
        for (std::int64_t r = strip.begin; r < strip.end; ++r) {
          Vector result[kPlanes];
          transform_taps(result, gathered + (r - strip.begin) * kTaps, F(), kPhases[f], plan.flip);
          for (std::int64_t p = 0; p < kPlanes; ++p) {
            if (to[p] == nullptr) continue;
            float* place = to[p] + (first_row + r) * width[p];
            store(place, result[p]);
            __builtin_prefetch(place + kRowsAhead * width[p], 1, 3);
          }
        }
      }
    }
  }
}

RESGRAD_INLINE void put_taps(float (*strip)[kLanes], const Vector* sum, F43, const Phase&) {
  Vector taps[kTaps];
  transform_square<3, 6, F43::weight_gradient>(taps, sum);
  for (std::int64_t t = 0; t < kTaps; ++t) store(strip[t], taps[t]);
}

RESGRAD_INLINE void put_taps(float (*strip)[kLanes], const Vector* sum, F42, const Phase& phase) {
  Vector taps[4];
  transform_square<2, 5, F42::weight_gradient>(taps, sum);
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const int line = tap_at(i, phase.odd_line, false);
      const int column = tap_at(j, phase.odd_column, false);
      if (line >= 0 && column >= 0) store(strip[3 * line + column], taps[2 * i + j]);
    }
  }
}

template <class F>
void planes_to_weights_as(float* dw, const float* planes, std::int64_t parts, Range rows,
                          Range columns, const WinogradPlan& plan) {
  constexpr std::int64_t kPlanes = F::kPoints * F::kPoints;
  const WinogradBuffer& buffer = plan.weight;
  Range depth[kPlanes];
  for (std::int64_t p = 0; p < kPlanes; ++p) depth[p] = depth_of(plan, p);
  for (std::int64_t k = columns.begin; k < columns.end; k += kLanes) {
    for (std::int64_t r0 = rows.begin; r0 < rows.end; r0 += kStripRows) {
      const std::int64_t count = least(rows.end - r0, kStripRows);
      StripTaps taps;          // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
      StripColumns by_column;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
      for (std::int64_t r = 0; r < count; ++r) {
        for (std::int64_t f = 0; f < plan.source_phases(); ++f) {
          Vector sum[kPlanes] = {};
          const std::int64_t row = f * plan.c + r0 + r;
          const float* from = planes + row * buffer.row + k - columns.begin;
          for (std::int64_t p = 0; p < kPlanes; ++p, from += buffer.plane) {
            if (row < depth[p].begin || row >= depth[p].end) continue;
            sum[p] = load(from);
            __builtin_prefetch(from + kRowsAhead * buffer.row, 0, 3);
            for (std::int64_t i = 1; i < parts; ++i) sum[p] += load(from + i * buffer.per_part);
          }
          put_taps(taps + r * kTaps, sum, F(), kPhases[f]);
        }
      }
      transpose_strip(by_column, taps, count);
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        copy(dw + ((k + lane) * plan.c + r0) * kTaps, by_column[lane], count * kTaps);
      }
    }
  }
}

}  // namespace

Range depth_of(const WinogradPlan& plan, std::int64_t p) {
  if (plan.source_phases() == 1) return {0, plan.depth};
  const Range phases = phases_of(plan, p);
  return {phases.begin * plan.c, phases.end * plan.c};
}

Range columns_of(const WinogradPlan& plan, std::int64_t p, Range columns) {
  if (plan.result_phases() == 1) return columns;
  const Range phases = phases_of(plan, p);
  return common(columns, {phases.begin * plan.k, phases.end * plan.k});
}

void source_to_planes(float* planes, const Conv2dInput<float>& x, Range tiles,
                      const WinogradPlan& plan, const float* zeros) {
  RESGRAD_ASSERT(plan.c % kLanes == 0 && plan.depth <= plan.source.row);
  RESGRAD_ASSERT(size(tiles) <= plan.chunk);
  const auto run = [&]<bool kNormRelu>() {
    const auto kernel = plan.points == F43::kPoints ? source_to_planes_as<F43, kNormRelu, false>
                        : plan.flip                 ? source_to_planes_as<F42, kNormRelu, false>
                                                    : source_to_planes_as<F42, kNormRelu, true>;
    kernel(planes, x, tiles, plan, zeros);
  };
  x.norm.scale != nullptr ? run.template operator()<true>() : run.template operator()<false>();
}

void gradient_to_planes(float* planes, std::int64_t first, const float* dy, Range tiles,
                        Range channels, const WinogradPlan& plan, const float* zeros) {
  RESGRAD_ASSERT(size(tiles) <= plan.chunk && plan.k % kLanes == 0);
  RESGRAD_ASSERT(size(channels) % kLanes == 0 && size(channels) <= plan.product.row);
  const auto run =
      plan.points == F43::kPoints ? gradient_to_planes_as<F43> : gradient_to_planes_as<F42>;
  run(planes, first, dy, tiles, channels, plan, zeros);
}

void planes_to_output(const Output& out, const float* planes, Range tiles, Range columns,
                      const WinogradPlan& plan) {
  const auto run = [&]<bool kFinish>() {
    const auto kernel = plan.points == F43::kPoints ? planes_to_output_as<F43, kFinish, false>
                        : plan.flip                 ? planes_to_output_as<F42, kFinish, true>
                                                    : planes_to_output_as<F42, kFinish, false>;
    kernel(out, planes, tiles, columns, plan);
  };
  is_plain(out.epilogue) ? run.template operator()<false>() : run.template operator()<true>();
}

void weights_to_planes(float* planes, const float* w, Range rows, Range columns,
                       const WinogradPlan& plan) {
  const auto run =
      plan.points == F43::kPoints ? weights_to_planes_as<F43> : weights_to_planes_as<F42>;
  run(planes, w, rows, columns, plan);
}

void planes_to_weights(float* dw, const float* planes, std::int64_t parts, Range rows,
                       Range columns, const WinogradPlan& plan) {
  const auto run =
      plan.points == F43::kPoints ? planes_to_weights_as<F43> : planes_to_weights_as<F42>;
  run(dw, planes, parts, rows, columns, plan);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
