// Shares of work.
#pragma once

#include "core/kernels/vector_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

RESGRAD_INLINE std::int64_t least(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}

RESGRAD_INLINE std::int64_t most(std::int64_t a, std::int64_t b) {
  return a > b ? a : b;
}

struct Range {
  std::int64_t begin, end;
};

RESGRAD_INLINE std::int64_t size(Range r) {
  return r.end - r.begin;
}

// Part `i` of `parts` nearly equal parts of a range.
RESGRAD_INLINE Range part(Range r, std::int64_t i, std::int64_t parts) {
  return {r.begin + size(r) * i / parts, r.begin + size(r) * (i + 1) / parts};
}

// What two ranges have in common; empty if that is nothing.
RESGRAD_INLINE Range common(Range a, Range b) {
  const std::int64_t begin = most(a.begin, b.begin);
  return {begin, most(begin, least(a.end, b.end))};
}

// How many parts a range must be cut into for none to be longer than `longest`.
RESGRAD_INLINE std::int64_t parts_of(Range r, std::int64_t longest) {
  return (size(r) + longest - 1) / longest;
}

// For items that are numbered group by group, `items` in each: calls f(group, items of it) for the
// groups that a range meets.
template <class F>
RESGRAD_INLINE void for_each_group(Range range, std::int64_t items, const F& f) {
  for (std::int64_t group = range.begin / items; group * items < range.end; ++group) {
    const Range own = common(range, {group * items, (group + 1) * items});
    f(group, Range{own.begin - group * items, own.end - group * items});
  }
}

// Within a parallel region: calls f(i) once for each part, by one thread each; then all threads
// wait. A thread takes neighbouring parts, of as many threads each takes one. See threads.h.
template <class F>
RESGRAD_INLINE void for_each_part(std::int64_t parts, const F& f) {
#pragma omp for schedule(static)
  for (std::int64_t i = 0; i < parts; ++i) f(i);
}

}  // namespace resgrad::kernels::RESGRAD_ISA
