#include "core/parallel.h"

#include <doctest/doctest.h>
#include <omp.h>

#include "core/check.h"
#include "tests/support/guards.h"

using namespace resgrad;

TEST_CASE("the number of threads reaches OpenMP") {
  const testing::ThreadsGuard guard(3);
  CHECK(num_threads() == 3);
  int seen = 0;
#pragma omp parallel
  {
#pragma omp single
    seen = omp_get_num_threads();
  }
  CHECK(seen == 3);
}

TEST_CASE("fewer than one thread is an error") {
  CHECK_THROWS_WITH_AS(set_num_threads(0), "threads: expected at least 1, got 0", ValueError);
}
