// The BLAS library. Its products run in the calling thread: gemm.h shares them out.
#pragma once

namespace resgrad::kernels {

/// Name and version of the BLAS library, its kernel set and its threading, for `resgrad info`.
const char* blas_config();

}  // namespace resgrad::kernels
