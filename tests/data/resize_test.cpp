#include "data/resize.h"

#include <doctest/doctest.h>

#include "core/check.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

using Pixels = std::vector<std::uint8_t>;

// Grey values as an image.
Image grey(int height, int width, const std::vector<int>& values) {
  Image image{.height = height, .width = width, .pixels = {}};
  for (const int v : values)
    image.pixels.insert(image.pixels.end(), 3, static_cast<std::uint8_t>(v));
  return image;
}

std::vector<int> red(const Image& image) {
  std::vector<int> values;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) values.push_back(image.at(y, x, 0));
  return values;
}

Image gradient(int height, int width) {
  Image image{.height = height, .width = width, .pixels = {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (const int v : {x, y, x + y}) image.pixels.push_back(static_cast<std::uint8_t>(v));
  return image;
}

}  // namespace

TEST_CASE("halving weighs 1, 3, 3, 1 eighths of a row, cut off at its ends") {
  // scale 2, triangle of half width 2: the taps of pixel 0 are at -1 (outside), 0, 1, 2 with the
  // weights 1/4, 3/4, 3/4, 1/4, so (3 a + 3 b + c) / 7; those of pixel 1: (b + 3 c + 3 d) / 7
  CHECK(red(resize(grey(1, 4, {0, 70, 140, 210}), 1, 2)) == std::vector<int>{50, 160});
  CHECK(red(resize(grey(4, 1, {0, 70, 140, 210}), 2, 1)) == std::vector<int>{50, 160});
}

TEST_CASE("doubling interpolates between the centres of the pixels") {
  // centres of the result at -1/4 (held), 1/4, 3/4, 5/4 (held)
  CHECK(red(resize(grey(1, 2, {0, 100}), 1, 4)) == std::vector<int>{0, 25, 75, 100});
}

TEST_CASE("values are those of Pillow 9.4's resize(..., BILINEAR)") {
  // python3 -c "from PIL import Image; im = Image.new('L', (5, 3));
  //   im.putdata([(i * 53 + i * i * 7) % 256 for i in range(15)]);
  //   print(list(im.resize((3, 2), Image.BILINEAR).getdata()))"
  std::vector<int> values;
  for (int i = 0; i < 15; ++i) values.push_back((i * 53 + i * i * 7) % 256);
  CHECK(red(resize(grey(3, 5, values), 2, 3)) == std::vector<int>{65, 141, 105, 163, 125, 66});
  CHECK(red(resize(grey(3, 5, values), 5, 7)) ==
        std::vector<int>{0,   34,  81,  134, 197, 156, 68,  74,  65, 88,  161, 171,
                         121, 49,  184, 112, 99,  202, 132, 68,  20, 197, 149, 122,
                         146, 106, 72,  48,  206, 174, 138, 108, 88, 74,  66});
}

TEST_CASE("the same size is the same image, and channels stay apart") {
  const Image image = gradient(5, 7);
  CHECK(resize(image, 5, 7).pixels == image.pixels);
  const Image half = resize(gradient(40, 60), 20, 30);
  CHECK(half.at(10, 15, 0) == doctest::Approx(30.5).epsilon(0.05));
  CHECK(half.at(10, 15, 1) == doctest::Approx(20.5).epsilon(0.05));
}

TEST_CASE("the shorter side gets the size, the longer keeps the proportion, rounded down") {
  const auto size = [](int height, int width, int to) {
    const Image image = resize_shorter_side(
        {.height = height,
         .width = width,
         .pixels = Pixels(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3)},
        to);
    CHECK(image.pixels.size() == static_cast<std::size_t>(image.height * image.width * 3));
    return std::pair(image.height, image.width);
  };
  CHECK(size(30, 50, 32) == std::pair(32, 53));
  CHECK(size(50, 30, 32) == std::pair(53, 32));
  CHECK(size(7, 7, 32) == std::pair(32, 32));
  CHECK(size(32, 200, 32) == std::pair(32, 200));
}

TEST_CASE("a narrow strip that would become huge is an error") {
  const Image strip{.height = 1, .width = 1000000, .pixels = Pixels(3000000)};
  CHECK_THROWS_AS(resize_shorter_side(strip, 224), ValueError);
  CHECK_THROWS_AS(resize(strip, 0, 5), ValueError);
}

TEST_CASE("the crop lies in the middle; half a pixel is rounded to even") {
  // 7 - 4 = 3: 1.5 rounds to 2; 5 - 4 = 1: 0.5 rounds to 0
  const Image crop = centre_crop(gradient(7, 5), 4);
  CHECK(crop.height == 4);
  CHECK(crop.width == 4);
  CHECK(crop.at(0, 0, 0) == 0);
  CHECK(crop.at(0, 0, 1) == 2);
  CHECK(crop.at(3, 3, 2) == 8);
  CHECK_THROWS_WITH_AS(centre_crop(gradient(7, 5), 6),
                       "centre_crop: size: expected 1 to 5, the shorter side, got 6", ValueError);
}
