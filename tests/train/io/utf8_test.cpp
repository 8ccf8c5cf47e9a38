#include "train/io/utf8.h"

#include <doctest/doctest.h>

namespace resgrad {
namespace {

TEST_CASE("text is UTF-8 or not") {
  for (const char* good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x99\x82", "\x7f\n"}) {
    CAPTURE(good);
    CHECK(is_utf8(good));
  }
  // alone, cut, overlong, a surrogate, above 0x10ffff
  for (const char* bad :
       {"\xd2", "a\xe2\x82", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace resgrad
