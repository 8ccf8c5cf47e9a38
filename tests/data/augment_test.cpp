#include "data/augment.h"

#include <doctest/doctest.h>

#include "tests/data/fake_dataset.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

const Normalisation kNorm{{0.4, 0.5, 0.6}, {0.2, 0.25, 0.3}};

// Pad with zeros, crop, flip, normalise, cut: one after the other on a padded copy.
std::vector<float> naive(const Dataset& d, std::int64_t index, const Augmentation& a, int pad) {
  const int h = d.height, w = d.width, wide = w + 2 * pad;
  std::vector<float> out(static_cast<std::size_t>(3 * h * w));
  for (int c = 0; c < 3; ++c) {
    std::vector<int> padded(static_cast<std::size_t>((h + 2 * pad) * wide), 0);
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        padded[static_cast<std::size_t>((y + pad) * wide + x + pad)] =
            d.image(index)[(c * h + y) * w + x];
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x) {
        const int column = a.flip ? w - 1 - x : x;
        const int level =
            padded[static_cast<std::size_t>((y + pad + a.dy) * wide + column + pad + a.dx)];
        const auto channel = static_cast<std::size_t>(c);
        double value = (level / 255.0 - kNorm.mean[channel]) / kNorm.std[channel];
        if (y >= a.cut_top && y < a.cut_bottom && x >= a.cut_left && x < a.cut_right) value = 0;
        out[static_cast<std::size_t>((y * w + x) * 3 + c)] = static_cast<float>(value);
      }
  }
  return out;
}

}  // namespace

TEST_CASE("an augmented image is that of the naive steps, for random draws and odd sizes") {
  for (const auto& [height, width] : {std::pair{32, 32}, std::pair{9, 13}}) {
    const Dataset d = fake_dataset(3, height, width);
    const PixelTable table(kNorm);
    const AugmentOptions options{.pad = 4, .flip = true, .cutout = 5};
    for (std::uint64_t draw = 0; draw < 200; ++draw) {
      Random random(draw, Purpose::augment);
      const Augmentation a = draw_augmentation(options, height, width, random);
      const auto index = static_cast<std::int64_t>(draw % 3);
      std::vector<float> out(static_cast<std::size_t>(d.image_bytes()));
      write_image(out.data(), d, index, a, table);
      CAPTURE(draw);
      CHECK(out == naive(d, index, a, options.pad));
    }
  }
}

TEST_CASE("draws cover all shifts and both directions, and squares of the asked size") {
  const AugmentOptions options{.pad = 2, .flip = true, .cutout = 8};
  std::vector<int> dy(5), dx(5), flips(2);
  int largest = 0;
  Random random(3, Purpose::augment);
  for (int i = 0; i < 1000; ++i) {
    const Augmentation a = draw_augmentation(options, 32, 32, random);
    ++dy.at(static_cast<std::size_t>(a.dy + 2));
    ++dx.at(static_cast<std::size_t>(a.dx + 2));
    ++flips.at(a.flip);
    const int area = (a.cut_bottom - a.cut_top) * (a.cut_right - a.cut_left);
    CHECK(area >= 16);  // a quarter at least: the centre is inside
    largest = std::max(largest, area);
  }
  CHECK(largest == 64);
  for (const int n : {dy[0], dy[4], dx[0], dx[4]}) CHECK(n > 120);
  CHECK(flips[1] > 400);
  CHECK(flips[1] < 600);
}

TEST_CASE("without options nothing is changed but the scale") {
  const Dataset d = fake_dataset(1);
  Random random(1, Purpose::augment);
  const Augmentation a = draw_augmentation({.pad = 0, .flip = false}, 32, 32, random);
  CHECK(a.dy == 0);
  CHECK(a.dx == 0);
  CHECK_FALSE(a.flip);
  CHECK(a.cut_bottom == a.cut_top);
}
