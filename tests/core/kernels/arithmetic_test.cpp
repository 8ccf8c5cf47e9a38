#include "core/kernels/arithmetic.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/support/compare.h"
#include "tests/support/guards.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

using kernels::StridedAxis;

// Operands of three axes: repeated along none, some or all of them, and in another order.
std::vector<std::vector<StridedAxis>> layouts(std::int64_t matrices, std::int64_t rows,
                                              std::int64_t columns) {
  const std::int64_t matrix = rows * columns;
  return {{{rows, columns, columns}, {columns, 1, 1}},
          {{matrices, matrix, 0}, {rows, columns, 0}, {columns, 1, 1}},
          {{matrices, matrix, 0}, {rows, columns, 1}, {columns, 1, 0}},
          {{matrices, 0, matrix}, {rows, 1, columns}, {columns, 0, 1}},
          {{matrices, 0, matrix}, {rows, 0, 1}, {columns, 0, rows}},
          {{1, 0, 0}, {matrix, 1, 0}}};
}

template <class T, class F>
std::vector<double> naive(const T* a, const T* b, const std::vector<StridedAxis>& axes, F f) {
  std::vector<double> y;
  const auto walk = [&](auto& self, std::size_t axis, const T* p, const T* q) -> void {
    if (axis == axes.size()) {
      y.push_back(static_cast<double>(f(*p, *q)));
      return;
    }
    for (std::int64_t i = 0; i < axes[axis].size; ++i) {
      self(self, axis + 1, p + i * axes[axis].a, q + i * axes[axis].b);
    }
  };
  walk(walk, 0, a, b);
  return y;
}

template <class T>
void check_all(std::int64_t matrices, std::int64_t rows, std::int64_t columns) {
  const std::int64_t n = matrices * rows * columns;
  const Tensor a = random_tensor({n}, 1, dtype_of<T>());
  const Tensor b = random_tensor({n}, 2, dtype_of<T>(), MemoryFormat::contiguous, 0.5, 2);
  for (const auto& axes : layouts(matrices, rows, columns)) {
    std::int64_t size = 1;
    for (const StridedAxis& axis : axes) size *= axis.size;
    const auto expect = [&](auto kernel, auto f) {
      Tensor y = Tensor::zeros({size}, dtype_of<T>());
      kernel(y.template data<T>(), a.data<T>(), b.data<T>(), axes.data(),
             static_cast<std::int64_t>(axes.size()));
      CHECK(all_close(y, naive(a.data<T>(), b.data<T>(), axes, f)));
    };
    const auto& k = kernels::arithmetic<T>();
    expect(k.add, [](T p, T q) { return p + q; });
    expect(k.sub, [](T p, T q) { return p - q; });
    expect(k.mul, [](T p, T q) { return p * q; });
    expect(k.div, [](T p, T q) { return p / q; });
  }
}

}  // namespace

TEST_CASE("arithmetic kernels of every instruction set agree with naive loops, bit for bit") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    for (int threads : {1, 3}) {
      const ThreadsGuard guard(threads);
      // odd sizes, rows longer than a block of work, blocks of many rows
      check_all<float>(2, 3, 7);
      check_all<double>(3, 5, 17);
      check_all<float>(2, 2, 20011);
      check_all<float>(3, 4001, 5);
      check_all<double>(1, 1, 1);
    }
  });
}
