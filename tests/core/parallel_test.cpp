#include "core/parallel.h"

#include <doctest/doctest.h>
#include <omp.h>

#include "core/check.h"
#include "core/kernels/threads.h"
#include "tests/support/guards.h"

using namespace resgrad;

TEST_CASE("the number of threads reaches the kernels, and leaves OpenMP's own alone") {
  const int others = omp_get_max_threads();
  const testing::ThreadsGuard guard(others + 1);
  CHECK(num_threads() == others + 1);
  CHECK(kernels::num_threads() == others + 1);
  CHECK(omp_get_max_threads() == others);
}

TEST_CASE("fewer than one thread is an error") {
  CHECK_THROWS_WITH_AS(set_num_threads(0), "threads: expected at least 1, got 0", ValueError);
}
