#include "core/kernels/norm.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/parallel.h"

using namespace resgrad;

TEST_CASE_TEMPLATE("a squared norm is the sum of squares, of the same bits for any threads", T,
                   float, double) {
  const int threads = num_threads();
  for (const std::int64_t n : {0, 1, 63, 64, 65, 1000, 100000}) {
    std::vector<T> x;
    double expected = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      x.push_back(static_cast<T>(1e20 / static_cast<double>(i + 3)));  // its square is no float
      expected += static_cast<double>(x.back()) * static_cast<double>(x.back());
    }
    CAPTURE(n);
    set_num_threads(1);
    const double one = kernels::squared_norm(x.data(), n);
    set_num_threads(3);
    CHECK(one == doctest::Approx(expected).epsilon(1e-12));
    CHECK(kernels::squared_norm(x.data(), n) == one);
  }
  set_num_threads(threads);
}
