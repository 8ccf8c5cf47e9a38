#define DOCTEST_CONFIG_IMPLEMENT  // by name, since doctest.h may have been read before: precompiled
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
