#include "core/kernels/isa.h"

#include <doctest/doctest.h>

#include <string>

#include "core/kernels/elementwise.h"
#include "tests/support/guards.h"

using namespace resgrad;
using kernels::Isa;

TEST_CASE("the baseline runs everywhere and the active set is supported") {
  CHECK(kernels::supported(Isa::baseline));
  CHECK(kernels::supported(kernels::active_isa()));
  CHECK(kernels::supported(kernels::best_isa()));
}

TEST_CASE("instruction sets have names") {
  CHECK(kernels::name(Isa::baseline) == "baseline");
  CHECK(kernels::name(Isa::avx2) == "avx2");
  CHECK(kernels::name(Isa::avx512) == "avx512");
}

TEST_CASE("set_isa refuses an unsupported set and changes nothing") {
  const Isa before = kernels::active_isa();
  for (Isa isa : kernels::kAllIsas) {
    if (kernels::supported(isa)) continue;
    CHECK_FALSE(kernels::set_isa(isa));
    CHECK(kernels::active_isa() == before);
  }
  CHECK(kernels::set_isa(Isa::baseline));
  CHECK(kernels::active_isa() == Isa::baseline);
  CHECK(kernels::set_isa(before));
}

TEST_CASE("each set has kernels of its own") {
  const void* previous = nullptr;
  testing::for_each_isa([&](Isa isa) {
    CAPTURE(kernels::name(isa));
    const auto kernel = reinterpret_cast<const void*>(kernels::elementwise<float>().add);
    CHECK(kernel != previous);
    previous = kernel;
  });
}
