#include "data/augment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "tests/data/fake_dataset.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

const Normalisation kNorm{{0.4, 0.5, 0.6}, {0.2, 0.25, 0.3}};

// The pixel that a walk of `steps` from pixel 0 ends at, turning round at the last and the first;
// to the left of it the same, since the image is mirrored there. For more than one pixel.
int walk(int steps, int size) {
  int place = 0, direction = 1;
  for (int step = 0; step < std::abs(steps); ++step) {
    if (place + direction < 0 || place + direction >= size) direction = -direction;
    place += direction;
  }
  return place;
}

// Pad, crop, flip, normalise, cut: one after the other on a padded copy.
std::vector<float> naive(const Dataset& d, std::int64_t index, const Augmentation& a, int pad) {
  const int h = d.height, w = d.width, wide = w + 2 * pad;
  std::vector<float> out(static_cast<std::size_t>(3 * h * w));
  for (int c = 0; c < 3; ++c) {
    std::vector<int> padded(static_cast<std::size_t>((h + 2 * pad) * wide), 0);
    for (int y = -pad; y < h + pad; ++y)
      for (int x = -pad; x < w + pad; ++x) {
        const bool inside = y >= 0 && y < h && x >= 0 && x < w;
        if (!inside && a.pad_mode == PadMode::zero) continue;
        padded[static_cast<std::size_t>((y + pad) * wide + x + pad)] =
            d.image(index)[(c * h + walk(y, h)) * w + walk(x, w)];
      }
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
    AugmentOptions options{.pad = 4, .cutout = 5, .random_erasing = 0.5};
    for (std::uint64_t draw = 0; draw < 200; ++draw) {
      options.pad_mode = draw % 2 == 0 ? PadMode::zero : PadMode::reflect;
      const Augmentation a = draw_augmentation(options, height, width, 1, 0, draw);
      const auto index = static_cast<std::int64_t>(draw % 3);
      std::vector<float> out(static_cast<std::size_t>(d.image_bytes()));
      write_image(out.data(), d, index, a, table);
      CAPTURE(draw);
      CHECK(out == naive(d, index, a, options.pad));
    }
  }
}

TEST_CASE("draws cover all shifts and both directions, and squares of the asked size") {
  const AugmentOptions options{.pad = 2, .cutout = 8};
  std::vector<int> dy(5), dx(5), flips(2);
  int largest = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Augmentation a = draw_augmentation(options, 32, 32, 3, 0, i);
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

TEST_CASE("a padding may be wider than the image") {
  const Dataset d = fake_dataset(1, 5, 7);
  const PixelTable table(kNorm);
  AugmentOptions options{.pad = 19};
  // a guard on both sides: a shift past the border must not write outside the image
  std::vector<float> out(static_cast<std::size_t>(d.image_bytes()) + 200);
  for (std::uint64_t draw = 0; draw < 200; ++draw) {
    options.pad_mode = draw % 2 == 0 ? PadMode::zero : PadMode::reflect;
    const Augmentation a = draw_augmentation(options, 5, 7, 1, 0, draw);
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
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const Augmentation a = draw_augmentation({.pad = 0, .cutout = kSide}, 32, 32, 5, 0, i);
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
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const Box box = draw_augmentation({.pad = 0, .random_erasing = 0.25}, 32, 32, 6, 0, i).erased;
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
  CHECK_THROWS_WITH_AS(draw_augmentation({.pad = -1}, 32, 32, 1, 0, 0),
                       "augment: pad: expected 0 to 65536 pixels, got -1", ValueError);
  CHECK_THROWS_WITH_AS(draw_augmentation({.cutout = -2}, 32, 32, 1, 0, 0),
                       "augment: cutout: expected 0 to 65536 pixels, got -2", ValueError);
  CHECK_THROWS_WITH_AS(draw_augmentation({.random_erasing = 1.5}, 32, 32, 1, 0, 0),
                       "augment: random_erasing: expected 0 to 1, got 1.5", ValueError);
  CHECK_THROWS_WITH_AS(PixelTable({.std = {1, 0, 1}}),
                       "normalisation: std of channel 1: expected above 0, got 0", ValueError);
}

TEST_CASE("without options nothing is changed but the scale") {
  const Dataset d = fake_dataset(1);
  const Augmentation a = draw_augmentation({.pad = 0, .flip = Flip::none}, 32, 32, 1, 0, 0);
  CHECK(a.dy == 0);
  CHECK(a.dx == 0);
  CHECK_FALSE(a.flip);
  CHECK(a.cutout.area() == 0);
  CHECK(a.erased.area() == 0);
}

// The numbers are those of numpy.pad(numpy.arange(12).reshape(3, 4), 2, mode="reflect").
TEST_CASE("reflect pads as numpy does") {
  constexpr int kPadded[7][8] = {{10, 9, 8, 9, 10, 11, 10, 9}, {6, 5, 4, 5, 6, 7, 6, 5},
                                 {2, 1, 0, 1, 2, 3, 2, 1},     {6, 5, 4, 5, 6, 7, 6, 5},
                                 {10, 9, 8, 9, 10, 11, 10, 9}, {6, 5, 4, 5, 6, 7, 6, 5},
                                 {2, 1, 0, 1, 2, 3, 2, 1}};
  Dataset d = fake_dataset(1, 3, 4);
  for (std::uint8_t i = 0; i < 36; ++i) d.images[i] = i % 12;
  const PixelTable table({.mean = {0, 0, 0}, .std = {1.0 / 255, 1.0 / 255, 1.0 / 255}});
  std::vector<float> out(36);
  for (int dy = -2; dy <= 2; ++dy) {
    for (int dx = -2; dx <= 2; ++dx) {
      write_image(out.data(), d, 0, {.dy = dy, .dx = dx, .pad_mode = PadMode::reflect}, table);
      for (int y = 0; y < 3; ++y) {
        for (int x = 0; x < 4; ++x) {
          CHECK(out[static_cast<std::size_t>(3 * (4 * y + x))] ==
                doctest::Approx(kPadded[y + dy + 2][x + dx + 2]));
        }
      }
    }
  }
}

TEST_CASE("alternating: any two epochs in a row show both sides of every image once") {
  const AugmentOptions options{.pad = 0, .flip = Flip::alternating};
  int mirrored_first = 0;
  for (std::uint64_t sample = 0; sample < 1000; ++sample) {
    const auto flipped = [&](std::uint32_t epoch) {
      return draw_augmentation(options, 32, 32, 9, epoch, sample).flip;
    };
    mirrored_first += flipped(0);
    for (std::uint32_t epoch = 0; epoch < 4; ++epoch) CHECK(flipped(epoch) != flipped(epoch + 1));
  }
  CHECK(mirrored_first > 400);
  CHECK(mirrored_first < 600);
}

TEST_CASE("operations come after crop and flip, on bytes, and before the boxes") {
  Dataset d = fake_dataset(1);
  for (std::size_t i = 0; i < d.images.size(); ++i) {
    d.images[i] = static_cast<std::uint8_t>(i * 7919 % 251);
  }
  const PixelTable table(kNorm);
  Augmentation a{.dy = 2, .dx = -1, .flip = true};
  const auto written = [&](const Dataset& images, const Augmentation& with) {
    std::vector<float> out(3072);
    write_image(out.data(), images, 0, with, table);
    return out;
  };
  // the same in steps: crop and flip to bytes, the operations, the boxes
  const std::vector<float> cropped = written(d, a);
  Dataset by_hand = d;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < 1024; ++i) {
      const double level = 255 * (cropped[3 * i + c] * kNorm.std[c] + kNorm.mean[c]);
      by_hand.images[c * 1024 + i] = static_cast<std::uint8_t>(std::lround(level));
    }
  }
  a.steps = {ImageStep{ImageOp::rotate, 30}, ImageStep{ImageOp::solarize, 100}};
  a.cutout = {.top = 3, .bottom = 9, .left = 5, .right = 10};
  for (const ImageStep& step : a.steps) {
    apply(step.op, step.magnitude, by_hand.images.data(), 32, 32);
  }
  const std::vector<float> got = written(d, a);
  CHECK(got == written(by_hand, {.cutout = a.cutout}));
  CHECK(got[static_cast<std::size_t>(3 * (3 * 32 + 5))] == 0);  // not solarized
}

TEST_CASE("a policy is drawn for each image and epoch, and leaves the other draws as they are") {
  AugmentOptions options{.cutout = 4, .random_erasing = 0.5};
  int differ = 0;
  for (std::uint64_t sample = 0; sample < 50; ++sample) {
    options.policy = Policy::plain;
    const Augmentation plain = draw_augmentation(options, 32, 32, 1, 3, sample);
    CHECK(plain.steps == ImageSteps{});
    for (const Policy policy : {Policy::trivial, Policy::rand}) {
      options.policy = policy;
      const Augmentation a = draw_augmentation(options, 32, 32, 1, 3, sample);
      CHECK(a.dy == plain.dy);
      CHECK(a.flip == plain.flip);
      CHECK(a.cutout == plain.cutout);
      CHECK(a.erased == plain.erased);
      CHECK(a.steps == draw_augmentation(options, 32, 32, 1, 3, sample).steps);
      differ += a.steps != draw_augmentation(options, 32, 32, 1, 4, sample).steps;
    }
  }
  CHECK(differ > 80);
}
