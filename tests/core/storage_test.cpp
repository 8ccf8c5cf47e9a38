#include "core/storage.h"

#include <doctest/doctest.h>

using namespace resgrad;

TEST_CASE("storage returns its block when it dies") {
  const std::size_t before = allocator_stats().bytes_in_use;
  {
    const Storage storage(1000);
    CHECK(storage.bytes() == 1000);
    CHECK(storage.data() != nullptr);
    CHECK(storage.version == 0);
    CHECK(allocator_stats().bytes_in_use > before);
  }
  CHECK(allocator_stats().bytes_in_use == before);
}

TEST_CASE("storage of nothing holds no block") {
  CHECK(Storage(0).data() == nullptr);
}
