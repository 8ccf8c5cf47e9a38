#include "core/crc32.h"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

#include "tests/support/guards.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("the checksum of the digits is that of every CRC-32, in one piece and in two") {
  const auto bytes = std::as_bytes(std::span(std::string_view("123456789")));
  CHECK(crc32(bytes) == 0xCBF43926);
  CHECK(crc32(bytes.subspan(4), crc32(bytes.first(4))) == 0xCBF43926);
  CHECK(crc32({}) == 0);
  CHECK(crc32({}, 17) == 17);
}

TEST_CASE("long ones have the same checksum on any number of threads") {
  std::vector<std::byte> bytes(10'000'019);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i >> 7);
  std::uint32_t want = 5;
  for (std::size_t i = 0; i < bytes.size(); i += 1000) {
    want = crc32(std::span(bytes).subspan(i, std::min<std::size_t>(1000, bytes.size() - i)), want);
  }
  for (const int threads : {1, 3}) {
    const ThreadsGuard guard(threads);
    CHECK(crc32(bytes, 5) == want);
  }
}
