// Settings of the BLAS library.
#pragma once

namespace resgrad::kernels {

/// Threads that BLAS uses outside of parallel regions; inside it always uses one.
void set_blas_threads(int n);

/// Name and version of the BLAS library, its kernel set and its threading, for `resgrad info`.
const char* blas_config();

}  // namespace resgrad::kernels
