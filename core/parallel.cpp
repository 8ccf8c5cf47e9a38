#include "core/parallel.h"

#include <omp.h>

#include "core/check.h"
#include "core/kernels/blas.h"

namespace resgrad {

void set_num_threads(int n) {
  require<ValueError>(n >= 1, "threads: expected at least 1, got {}", n);
  omp_set_num_threads(n);
  kernels::set_blas_threads(n);
}

int num_threads() {
  return omp_get_max_threads();
}

}  // namespace resgrad
