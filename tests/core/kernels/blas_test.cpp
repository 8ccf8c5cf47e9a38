#include "core/kernels/blas.h"

#include <doctest/doctest.h>

#include <string>

using namespace resgrad;

TEST_CASE("the BLAS library is the OpenMP variant of OpenBLAS") {
  const std::string config = kernels::blas_config();
  CAPTURE(config);
  CHECK(config.find("OpenBLAS") != std::string::npos);
  CHECK(config.find("USE_OPENMP") != std::string::npos);
}
