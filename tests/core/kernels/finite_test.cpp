#include "core/kernels/finite.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace resgrad;

namespace {

template <class T>
void check() {
  using Limits = std::numeric_limits<T>;
  // one below and one above the size from which several threads share the work
  for (const std::int64_t n : {0, 1, 7, 1000, 100'003}) {
    CAPTURE(n);
    std::vector<T> x(static_cast<std::size_t>(n), Limits::max());
    if (n > 1) x[1] = -Limits::denorm_min();
    CHECK(kernels::all_finite(x.data(), n));
    if (n == 0) continue;
    for (const std::size_t place : {std::size_t{0}, x.size() / 2, x.size() - 1}) {
      for (const T bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(),
                          -Limits::quiet_NaN(), Limits::signaling_NaN()}) {
        const T before = x[place];
        x[place] = bad;
        CHECK_FALSE(kernels::all_finite(x.data(), n));
        x[place] = before;
      }
    }
  }
}

}  // namespace

TEST_CASE("NaN and infinity are found wherever they are, and nothing else is") {
  check<float>();
  check<double>();
}
