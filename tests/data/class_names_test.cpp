#include "data/class_names.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace resgrad::data;

TEST_CASE("class names by data set, in the order of the labels") {
  CHECK(class_names("cifar10", 10)[3] == "cat");
  CHECK(class_names("synthetic", 10)[9] == "checkerboard");
  const std::vector<std::string> fine = class_names("cifar100", 100);
  REQUIRE(fine.size() == 100);
  CHECK(fine[99] == "worm");
  CHECK(std::ranges::is_sorted(fine));  // the labels are alphabetical
  CHECK(std::set(fine.begin(), fine.end()).size() == 100);
}

TEST_CASE("other data sets and other numbers of classes are numbered") {
  CHECK(class_names("imagenet", 1000)[999] == "class 999");
  CHECK(class_names("cifar10", 3) == std::vector<std::string>{"class 0", "class 1", "class 2"});
  CHECK(class_names("", 0).empty());
}
