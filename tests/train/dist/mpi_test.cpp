#include "train/dist/mpi.h"

#include <doctest/doctest.h>

#include "core/check.h"

using namespace resgrad;

// What MPI does with several processes: tests/integration/ranks_test.py.
TEST_CASE("a build without MPI says so") {
  if (has_mpi()) return;
  CHECK_THROWS_WITH_AS(start_mpi(), "mpi: expected a build with MPI, got one without", StateError);
}
