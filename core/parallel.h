// The one knob for threads: OpenMP loops of the kernels and the BLAS library follow it.
#pragma once

namespace resgrad {

/// Sets the number of threads of all kernels and of BLAS; throws ValueError unless n >= 1.
void set_num_threads(int n);

int num_threads();

}  // namespace resgrad
