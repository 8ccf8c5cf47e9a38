// How many threads the kernels run on, and the rule for sharing work among them.
//
// Every parallel region asks for the process's number, num_threads(num_threads()), or for fewer.
// OpenMP may give less than that (OMP_THREAD_LIMIT, OMP_DYNAMIC, a region within a region of the
// caller), and its own setting holds for the calling thread only. So no kernel relies on the number
// of threads that it got: what is shared out are parts whose number is planned beforehand, and the
// parts are iterations of an `omp for`, which the threads that are there take in turn.
//
// Nor do the bits of a result depend on the number that is asked for. Threads share results, each
// computed by one thread in an order of its own; where they share the terms of a sum, there are
// sums over parts whose number and places follow from the shape, added in the order of the parts.
// omp_get_thread_num() serves to pick a thread's scratch memory, of which there is enough for the
// planned number.
// scripts/check_layers.py looks for parallel regions that do otherwise.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

/// Threads of the kernels that any thread of the process calls: what was set last, at first what
/// OpenMP would take (OMP_NUM_THREADS, else the number of processors).
int num_threads();

/// num_threads(), or 1 where a loop over so many values ends before other threads would have begun.
int threads_for(std::int64_t values);

/// Sets it for the whole process; n >= 1. Kernels that run already keep to what they planned.
void set_num_threads(int n);

}  // namespace resgrad::kernels
