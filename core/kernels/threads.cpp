#include "core/kernels/threads.h"

#include <omp.h>

#include <atomic>

namespace resgrad::kernels {
namespace {

std::atomic<int>& setting() {
  static std::atomic<int> threads{omp_get_max_threads()};
  return threads;
}

}  // namespace

int num_threads() {
  return setting().load(std::memory_order_relaxed);
}

int threads_for(std::int64_t values) {
  return values < 32768 ? 1 : num_threads();
}

void set_num_threads(int n) {
  setting().store(n, std::memory_order_relaxed);
}

}  // namespace resgrad::kernels
