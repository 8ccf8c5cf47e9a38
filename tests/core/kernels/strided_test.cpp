#include "core/kernels/strided.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "tests/support/guards.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

// y lies `offset` elements behind the begin of a line.
template <class T>
void check_copy(const std::vector<kernels::StridedAxis>& axes, std::size_t offset = 0) {
  std::int64_t last_y = 0, last_x = 0;
  for (const auto& axis : axes)
    last_y += (axis.size - 1) * axis.a, last_x += (axis.size - 1) * axis.b;
  std::vector<T> x(static_cast<std::size_t>(last_x + 1));
  std::iota(x.begin(), x.end(), T{1});
  std::vector<T> want(static_cast<std::size_t>(last_y + 1));
  const auto walk = [&](auto& self, std::size_t axis, std::int64_t to, std::int64_t from) -> void {
    if (axis == axes.size()) {
      want[static_cast<std::size_t>(to)] = x[static_cast<std::size_t>(from)];
      return;
    }
    for (std::int64_t i = 0; i < axes[axis].size; ++i) {
      self(self, axis + 1, to + i * axes[axis].a, from + i * axes[axis].b);
    }
  };
  walk(walk, 0, 0, 0);
  for (const int threads : {1, 3}) {
    const ThreadsGuard guard(threads);
    constexpr std::size_t kLine = 64 / sizeof(T);
    std::vector<T> room(want.size() + 2 * kLine);
    const std::size_t before = reinterpret_cast<std::uintptr_t>(room.data()) / sizeof(T) % kLine;
    const std::span y(room.data() + (kLine - before) % kLine + offset, want.size());
    kernels::copy_strided(y.data(), x.data(), axes.data(), std::ssize(axes));
    CHECK(std::ranges::equal(y, want));
  }
}

}  // namespace

TEST_CASE("strided copies agree with naive loops, and write nothing between the places") {
  check_copy<float>({{1, 0, 0}});
  check_copy<float>({{20'011, 1, 1}});  // longer than what a thread takes at a time
  check_copy<double>({{3, 40'000, 20'011}, {20'011, 1, 1}});
  check_copy<std::int64_t>({{101, 7, 1}, {5, 1, 101}});         // transposed, into a part of y
  check_copy<float>({{11, 1000, 0}, {13, 70, 1}, {67, 1, 0}});  // repeated
  check_copy<double>({{5, 60, 24}, {4, 13, 6}, {3, 4, 2}});
  // so large that they go past the caches: whole lines, and rows that are none or begin within one
  for (const std::int64_t columns : {64, 68}) {
    for (const std::size_t offset : {std::size_t{0}, std::size_t{4}}) {
      check_copy<float>({{65'600, 2 * columns, columns}, {columns, 1, 1}}, offset);
    }
  }
  check_copy<std::int64_t>({{2, 1 << 21, 1 << 20}, {1 << 20, 1, 1}});
}
