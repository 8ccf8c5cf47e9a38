// The one knob for threads.
#pragma once

namespace resgrad {

/// Sets the number of threads of all operations, matrix products included, for the whole process,
/// whichever thread calls them; throws ValueError unless n >= 1. Results are the same bits for any
/// number, and do not depend on whether OpenMP grants that many (OMP_THREAD_LIMIT, OMP_DYNAMIC,
/// inside of a parallel region). OpenMP's own setting stays as it is.
void set_num_threads(int n);

/// What was set last, at first what OpenMP would take: OMP_NUM_THREADS, else one per processor.
int num_threads();

}  // namespace resgrad
