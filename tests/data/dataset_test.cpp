#include "data/dataset.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <span>

#include "core/check.h"
#include "tests/data/fake_dataset.h"

using namespace resgrad;
using namespace resgrad::data;

TEST_CASE("subset copies the images it names, in order") {
  const Dataset all = fake_dataset(5);
  const Dataset part = subset(all, {3, 0});
  REQUIRE(part.size() == 2);
  CHECK(part.labels[0] == all.labels[3]);
  CHECK(std::equal(part.image(0), part.image(0) + all.image_bytes(), all.image(3)));
  CHECK(std::equal(part.image(1), part.image(1) + all.image_bytes(), all.image(0)));
  CHECK(part.num_classes == all.num_classes);
  CHECK(part.files.empty());
  CHECK_THROWS_WITH_AS(subset(all, {5}), "subset: indices: expected values in [0, 5), got 5",
                       ValueError);
}

TEST_CASE("a part knows the files and the places of its images in the whole") {
  Dataset all = fake_dataset(5);
  CHECK(all.place(3) == 3);
  all.files = {"a", "b", "c", "d", "e"};
  const Dataset part = subset(all, {4, 1, 3}), of_part = subset(part, {2, 0});
  CHECK(part.files == std::vector<std::string>{"e", "b", "d"});
  CHECK(part.place(0) == 4);
  CHECK(of_part.files == std::vector<std::string>{"d", "e"});
  CHECK(of_part.place(0) == 3);
  CHECK(of_part.place(1) == 4);
}

TEST_CASE("first gives the leading images") {
  const Dataset all = fake_dataset(5);
  const Dataset part = first(all, 3);
  CHECK(part.labels == std::vector<std::uint8_t>{0, 1, 2});
  CHECK(std::ranges::equal(part.images, std::span(all.images).first(3 * 3072)));
  CHECK(first(all, 5).images == all.images);
  CHECK_THROWS_WITH_AS(first(all, 6), "first: count: expected 1 to 5 images, got 6", ValueError);
  CHECK_THROWS_AS(first(all, 0), ValueError);
}

TEST_CASE("split is a partition that depends on the seed alone") {
  Dataset all = fake_dataset(100);
  for (std::int64_t i = 0; i < all.size(); ++i) {  // make every image unique
    all.images[static_cast<std::size_t>(i * all.image_bytes())] = static_cast<std::uint8_t>(i);
  }
  const auto [rest, validation] = split(all, 30, 1);
  CHECK(rest.size() == 70);
  CHECK(validation.size() == 30);
  std::set<int> seen;
  for (std::int64_t i = 0; i < 70; ++i) seen.insert(*rest.image(i));
  for (std::int64_t i = 0; i < 30; ++i) seen.insert(*validation.image(i));
  CHECK(seen.size() == 100);
  CHECK(split(all, 30, 1).second.images == validation.images);
  CHECK(split(all, 30, 2).second.images != validation.images);
}

TEST_CASE("split rejects an empty part") {
  const Dataset all = fake_dataset(10);
  CHECK_THROWS_WITH_AS(split(all, 10, 0), "split: validation: expected 1 to 9 of 10 images, got 10",
                       ValueError);
  CHECK_THROWS_AS(split(all, 0, 0), ValueError);
}
