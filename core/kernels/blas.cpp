// Apart from gemm.cpp: OpenBLAS's cblas.h and the declarations of xtensor-blas exclude each other.
#include "core/kernels/blas.h"

#include <cblas.h>

namespace resgrad::kernels {

const char* blas_config() {
  return openblas_get_config();
}

}  // namespace resgrad::kernels
