#include "core/kernels/peak.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/guards.h"

using namespace resgrad;

TEST_CASE("the peak kernel of every instruction set counts what it runs") {
  testing::for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    float sink = 0;
    const double one = kernels::peak<float>().multiply_add(100, &sink);
    CHECK(one >= 2 * 100);
    CHECK(kernels::peak<float>().multiply_add(1000, &sink) == 10 * one);
    CHECK(std::isfinite(sink));
    CHECK(sink != 0);
  });
}
