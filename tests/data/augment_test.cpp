#include "data/augment.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/check.h"
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
        for (const Box& b : {a.cutout, a.erased}) {
          if (y >= b.top && y < b.bottom && x >= b.left && x < b.right) value = 0;
        }
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
    const AugmentOptions options{.pad = 4, .flip = true, .cutout = 5, .random_erasing = 0.5};
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
    const int area = a.cutout.area();
    CHECK(area >= 16);  // a quarter at least: the centre is inside
    largest = std::max(largest, area);
  }
  CHECK(largest == 64);
  for (const int n : {dy[0], dy[4], dx[0], dx[4]}) CHECK(n > 120);
  CHECK(flips[1] > 400);
  CHECK(flips[1] < 600);
}

TEST_CASE("a padding wider than the image gives black where the crop leaves it") {
  const Dataset d = fake_dataset(1, 5, 7);
  const PixelTable table(kNorm);
  const AugmentOptions options{.pad = 11};
  // a guard on both sides: a shift past the border must not write outside the image
  std::vector<float> out(static_cast<std::size_t>(d.image_bytes()) + 200);
  for (std::uint64_t draw = 0; draw < 200; ++draw) {
    Random random(draw, Purpose::augment);
    const Augmentation a = draw_augmentation(options, 5, 7, random);
    std::ranges::fill(out, 99.0f);
    write_image(out.data() + 100, d, 0, a, table);
    CAPTURE(draw);
    CHECK(std::vector(out.begin() + 100, out.end() - 100) == naive(d, 0, a, options.pad));
    CHECK(std::count(out.begin(), out.begin() + 100, 99.0f) == 100);
    CHECK(std::count(out.end() - 100, out.end(), 99.0f) == 100);
  }
}

TEST_CASE("padding is black before normalisation, the cut square is the mean after it") {
  Dataset d = fake_dataset(1);
  std::ranges::fill(d.images, std::uint8_t{255});
  const PixelTable table(kNorm);
  std::vector<float> out(static_cast<std::size_t>(d.image_bytes()));
  const Augmentation a{.dy = -1, .cutout = {.top = 10, .bottom = 16, .left = 3, .right = 8}};
  write_image(out.data(), d, 0, a, table);
  CHECK(out[0] == doctest::Approx((0 - 0.4) / 0.2));
  CHECK(out[32 * 3 + 2] == doctest::Approx((1 - 0.6) / 0.3));
  CHECK(std::ranges::count(out, 0.0f) == 6 * 5 * 3);
  CHECK(out[(10 * 32 + 3) * 3] == 0);
  CHECK(out[(15 * 32 + 7) * 3] == 0);
}

TEST_CASE("the square covers a pixel as often as its centre falls within reach") {
  // An even side s covers pixel p when the centre is in (p - s/2, p + s/2]: s places of 32 inside,
  // s/2 or so at the border.
  constexpr int kDraws = 20000, kSide = 8;
  std::vector<int> rows(32);
  Random random(5, Purpose::augment);
  for (int i = 0; i < kDraws; ++i) {
    const Augmentation a = draw_augmentation({.pad = 0, .cutout = kSide}, 32, 32, random);
    for (int y = a.cutout.top; y < a.cutout.bottom; ++y) ++rows[static_cast<std::size_t>(y)];
  }
  const auto share = [&](std::size_t y) { return static_cast<double>(rows[y]) / kDraws; };
  CHECK(share(0) == doctest::Approx(5.0 / 32).epsilon(0.1));  // centres 0 to 4
  CHECK(share(16) == doctest::Approx(8.0 / 32).epsilon(0.1));
  CHECK(share(31) == doctest::Approx(4.0 / 32).epsilon(0.1));  // centres 28 to 31
}

TEST_CASE("erased boxes lie in the image, as often, as large and as tall as they should be") {
  constexpr int kDraws = 20000;
  int erased = 0, tall = 0, wide = 0;
  double area = 0;
  Random random(6, Purpose::augment);
  for (int i = 0; i < kDraws; ++i) {
    const Box box =
        draw_augmentation({.pad = 0, .flip = false, .random_erasing = 0.25}, 32, 32, random).erased;
    if (box.area() == 0) continue;
    ++erased;
    const int h = box.bottom - box.top, w = box.right - box.left;
    CHECK((box.top >= 0 && box.bottom <= 32 && box.left >= 0 && box.right <= 32));
    // rounding moves a side by up to a half
    CHECK((h + 0.5) * (w + 0.5) >= 0.02 * 32 * 32);
    CHECK((h - 0.5) * (w - 0.5) <= 0.4 * 32 * 32);
    CHECK((h - 0.5) / (w + 0.5) <= 1 / 0.3);
    CHECK((w - 0.5) / (h + 0.5) <= 1 / 0.3);
    tall += h > w;
    wide += w > h;
    area += box.area() / 1024.0;
  }
  CHECK(erased == doctest::Approx(0.25 * kDraws).epsilon(0.05));
  CHECK(tall == doctest::Approx(wide).epsilon(0.06));
  CHECK(area / erased == doctest::Approx(0.2).epsilon(0.06));  // large ones fit a little less often
}

TEST_CASE("augmentation and normalisation reject options out of range") {
  Random random(1, Purpose::augment);
  CHECK_THROWS_WITH_AS(draw_augmentation({.pad = -1}, 32, 32, random),
                       "augment: pad: expected 0 to 65536 pixels, got -1", ValueError);
  CHECK_THROWS_WITH_AS(draw_augmentation({.cutout = -2}, 32, 32, random),
                       "augment: cutout: expected 0 to 65536 pixels, got -2", ValueError);
  CHECK_THROWS_WITH_AS(draw_augmentation({.random_erasing = 1.5}, 32, 32, random),
                       "augment: random_erasing: expected 0 to 1, got 1.5", ValueError);
  CHECK_THROWS_WITH_AS(PixelTable({.std = {1, 0, 1}}),
                       "normalisation: std of channel 1: expected above 0, got 0", ValueError);
}

TEST_CASE("without options nothing is changed but the scale") {
  const Dataset d = fake_dataset(1);
  Random random(1, Purpose::augment);
  const Augmentation a = draw_augmentation({.pad = 0, .flip = false}, 32, 32, random);
  CHECK(a.dy == 0);
  CHECK(a.dx == 0);
  CHECK_FALSE(a.flip);
  CHECK(a.cutout.area() == 0);
  CHECK(a.erased.area() == 0);
}
