// What kernels rely on. Checked where the build asks for it (CMake's RESGRAD_ASSERTIONS, on in the
// presets dev and asan); otherwise the condition is compiled, but never evaluated.
#pragma once

namespace resgrad::kernels {

/// Writes the condition and its place to the standard error stream and ends the process.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace resgrad::kernels

#ifdef RESGRAD_ASSERTIONS
#define RESGRAD_ASSERT(condition) \
  ((condition) ? void() : ::resgrad::kernels::assertion_failed(#condition, __FILE__, __LINE__))
#else
#define RESGRAD_ASSERT(condition) static_cast<void>(sizeof((condition) ? 1 : 0))
#endif
