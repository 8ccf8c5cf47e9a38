// The matrix product that the convolution engines are made of, on panels: blocks of columns that a
// few vector registers hold.
#pragma once

#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

/// Vectors across a panel: as many as leave registers for enough rows.
constexpr std::int64_t kPanelVectors = kLanes == 16 ? 4 : 2;
constexpr std::int64_t kPanel = kPanelVectors * kLanes;

/// The left operand as it lies in memory: element (row, d) at data[row * stride + d], or at
/// data[d * stride + row] when transposed.
struct LeftMatrix {
  const float* data;
  std::int64_t stride;
  bool transposed;
};

enum class Update {
  assign,          // c = a b
  assign_distant,  // the same where c is not in cache and its rows lie apart: they are fetched
                   // early
  add              // c += a b
};

/// Memory that is needed after the product: while it multiplies, the product asks for it, one cache
/// line per step along the depth, first for one range, then for the other.
struct Upcoming {
  struct Range {
    const float *next, *end;
  };
  Range first = {}, second = {};
};

/// c = a b, or c += a b, for a [rows, depth], b [depth, columns] and c [rows, columns] with the
/// given row strides; columns is a multiple of kLanes, at most kPanel. Advances `upcoming`, which
/// may be null.
void multiply_panel(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                    const LeftMatrix& a, const float* b, std::int64_t b_stride, float* c,
                    std::int64_t c_stride, Update update, Upcoming* upcoming = nullptr) noexcept;

}  // namespace resgrad::kernels::RESGRAD_ISA
