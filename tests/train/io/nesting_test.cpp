#include "train/io/nesting.h"

#include <doctest/doctest.h>

#include <string>

namespace resgrad {
namespace {

TEST_CASE("brackets that are open at once are counted, of both kinds") {
  const std::string most(kMostNested, '[');
  CHECK_FALSE(is_nested_too_deeply(""));
  CHECK_FALSE(is_nested_too_deeply(most));
  CHECK(is_nested_too_deeply(most + "{"));
  CHECK_FALSE(is_nested_too_deeply(most + "]{"));
  CHECK(is_nested_too_deeply("]" + most + "}{["));
}

TEST_CASE("the parts of a name are counted, those of numbers and other names are not") {
  std::string name, numbers;
  for (int i = 0; i < kMostNested; ++i) name += "a.", numbers += "0.5, 1.5,\n";
  CHECK_FALSE(is_nested_too_deeply(name + "a = 1"));
  CHECK(is_nested_too_deeply(name + "a.a = 1"));
  CHECK_FALSE(is_nested_too_deeply(name + "a = 1.5"));
  CHECK_FALSE(is_nested_too_deeply(numbers));
}

}  // namespace
}  // namespace resgrad
