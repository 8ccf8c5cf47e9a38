#include "data/md5.h"

#include <doctest/doctest.h>

using namespace resgrad::data;

namespace {

std::string md5_of(std::string_view text) {
  return md5(std::as_bytes(std::span(text)));
}

}  // namespace

TEST_CASE("md5 gives the values of RFC 1321") {
  CHECK(md5_of("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_of("a") == "0cc175b9c0f1b6a831c399e269772661");
  CHECK(md5_of("message digest") == "f96b697d7cb7938d525a2f31aaf161d0");
  CHECK(
      md5_of("12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
      "57edf4a22be3c955ac49da2e2107b67a");
}

// The values are those of md5sum: head -c N /dev/zero | tr '\0' x | md5sum
TEST_CASE("md5 around the lengths at which the end takes another block") {
  const auto md5_of_x = [](std::size_t n) { return md5_of(std::string(n, 'x')); };
  CHECK(md5_of_x(55) == "04364420e25c512fd958a70738aa8f72");
  CHECK(md5_of_x(56) == "668a72d5ba17f08e62dabcafad6db14b");
  CHECK(md5_of_x(63) == "7dc2ca208106a2f703567bdff99d8981");
  CHECK(md5_of_x(64) == "c1bb4f81d892b2d57947682aeb252456");
  CHECK(md5_of_x(65) == "1bc932052302d074bdec39795fe00cf6");
  CHECK(md5_of_x(119) == "ab347a5f68c8a443cfcddc633f12c24f");
  CHECK(md5_of_x(120) == "fb98667f98096de92620b64f46e1c5b5");
  CHECK(md5_of_x(1000) == "398533d48111e9f664b1f64cb10c4b63");
}
