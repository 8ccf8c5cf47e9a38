#include "core/scoped_value.h"

#include <doctest/doctest.h>

#include <stdexcept>

using resgrad::ScopedValue;

TEST_CASE("a variable has its value back at the end of each scope, also after an exception") {
  int variable = 1;
  {
    const ScopedValue outer(variable, 2);
    CHECK(variable == 2);
    try {
      const ScopedValue inner(variable, 3);
      CHECK(variable == 3);
      throw std::runtime_error("inside");
    } catch (const std::runtime_error&) {
      CHECK(variable == 2);
    }
  }
  CHECK(variable == 1);
}
