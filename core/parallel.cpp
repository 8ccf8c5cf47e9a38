#include "core/parallel.h"

#include "core/check.h"
#include "core/kernels/threads.h"

namespace resgrad {

void set_num_threads(int n) {
  require<ValueError>(n >= 1, "threads: expected at least 1, got {}", n);
  kernels::set_num_threads(n);
}

int num_threads() {
  return kernels::num_threads();
}

}  // namespace resgrad
