#include "core/kernels/assert.h"

// the C library's own, which it declares where assert() is on
#undef NDEBUG
#include <cassert>

namespace resgrad::kernels {

void assertion_failed(const char* condition, const char* file, int line) {
  __assert_fail(condition, file, static_cast<unsigned>(line), "kernels");
}

}  // namespace resgrad::kernels
