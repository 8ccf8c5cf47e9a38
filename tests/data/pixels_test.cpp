#include "data/pixels.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/check.h"

using namespace resgrad;
using namespace resgrad::data;

TEST_CASE("a new image is black, and its pixels are stored row by row") {
  Image image = make_image(2, 3, "x");
  CHECK(image.height == 2);
  CHECK(image.width == 3);
  CHECK(image.pixels.size() == 18);
  CHECK(std::ranges::count(image.pixels, 0) == 18);
  image.pixels[(1 * 3 + 2) * 3 + 1] = 7;
  CHECK(image.at(1, 2, 1) == 7);
}

TEST_CASE("an image without pixels or with too many is refused by name") {
  CHECK_THROWS_WITH_AS(make_image(0, 3, "x.png"),
                       "image: x.png: expected 1 to 134217728 pixels, got 3 x 0", IoError);
  CHECK_THROWS_AS(make_image(3, -1, "x.png"), IoError);
  CHECK_THROWS_AS(make_image(kMaxPixels, 2, "x.png"), IoError);
  CHECK_THROWS_AS(make_image(std::int64_t{1} << 62, 4, "x.png"), IoError);
}
