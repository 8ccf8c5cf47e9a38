#include "core/kernels/layout.h"

#include <doctest/doctest.h>

#include "tests/support/property.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

template <class T>
void check(std::int64_t n, std::int64_t a, std::int64_t b) {
  const Tensor x = distinct_tensor({n, a, b}, 1, dtype_of<T>(), MemoryFormat::contiguous, 1);
  Tensor y = Tensor::empty({n, b, a}, dtype_of<T>()), back = Tensor::empty_like(x);
  kernels::transpose_planes(y.data<T>(), x.data<T>(), n, a, b);
  std::vector<double> want;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t q = 0; q < b; ++q)
      for (std::int64_t p = 0; p < a; ++p) {
        want.push_back(static_cast<double>(x.data<T>()[(i * a + p) * b + q]));
      }
  expect(all_close(y, want));
  kernels::transpose_planes(back.data<T>(), y.data<T>(), n, b, a);
  expect(bit_equal(back, x));
}

}  // namespace

TEST_CASE("transpose_planes swaps two axes, and twice is nothing") {
  CHECK(rc::check("all sizes and types", [] {
    const std::int64_t n = pick(0, 3), a = pick(0, 40), b = pick(0, 40);
    check<float>(n, a, b);
    check<double>(n, a, b);
    check<std::int64_t>(n, a, b);
  }));
  check<float>(2, 130, 150);  // large enough for threads
}
