#define DOCTEST_CONFIG_IMPLEMENT  // by name, since doctest.h may have been read before: precompiled
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

// Asked by LeakSanitizer. Clang's OpenMP does not give back what it keeps of its threads when a
// team becomes smaller.
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libomp.so";
}
