#include "data/mix.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "core/check.h"

using namespace resgrad;
using namespace resgrad::data;

namespace {

std::vector<float> random_images(std::int64_t n, int height, int width) {
  Random random(1, Purpose::test);
  std::vector<float> images(static_cast<std::size_t>(n * height * width * 3));
  for (float& x : images) x = static_cast<float>(random.normal());
  return images;
}

}  // namespace

TEST_CASE("images are mixed as the equations say, inside the box alone") {
  constexpr int kHeight = 5, kWidth = 7;
  for (const std::int64_t n : {1, 2, 5}) {
    for (const Mix& mix : {Mix{.share = 0.25, .box = {0, kHeight, 0, kWidth}, .keep = 0.25f},
                           Mix{.share = 0.9, .box = {1, 3, 2, 6}, .keep = 0}, Mix{}}) {
      const std::vector<float> before = random_images(n, kHeight, kWidth);
      std::vector<float> after = before;
      mix_images(after.data(), n, kHeight, kWidth, mix);
      std::size_t k = 0;
      for (std::int64_t i = 0; i < n; ++i)
        for (int y = 0; y < kHeight; ++y)
          for (int x = 0; x < kWidth; ++x)
            for (int c = 0; c < 3; ++c, ++k) {
              const std::int64_t other = (i + n - 1) % n;
              const float theirs =
                  before[static_cast<std::size_t>(((other * kHeight + y) * kWidth + x) * 3 + c)];
              const bool inside =
                  y >= mix.box.top && y < mix.box.bottom && x >= mix.box.left && x < mix.box.right;
              const float keep = inside ? mix.keep : 1;
              CHECK(after[k] == doctest::Approx(keep * before[k] + (1 - keep) * theirs));
            }
    }
  }
}

TEST_CASE("mixup keeps a share of Beta(a, a) of the whole image") {
  Random random(2, Purpose::mix);
  double sum = 0, squares = 0;
  constexpr int kDraws = 5000;
  for (int i = 0; i < kDraws; ++i) {
    const Mix mix = draw_mix({.mixup = 0.5}, 9, 13, random);
    CHECK(mix.box == Box{0, 9, 0, 13});
    CHECK(mix.keep == static_cast<float>(mix.share));
    sum += mix.share;
    squares += mix.share * mix.share;
  }
  CHECK(sum / kDraws == doctest::Approx(0.5).epsilon(0.03));
  CHECK(squares / kDraws - 0.25 == doctest::Approx(0.125).epsilon(0.1));  // 1 / (4 (2 a + 1))
}

TEST_CASE("cutmix keeps the share that the box leaves") {
  Random random(3, Purpose::mix);
  int whole = 0, clipped = 0;
  double area = 0;
  constexpr int kDraws = 5000;
  for (int i = 0; i < kDraws; ++i) {
    const Mix mix = draw_mix({.cutmix = 1}, 32, 32, random);
    CHECK((mix.box.top >= 0 && mix.box.bottom <= 32 && mix.box.left >= 0 && mix.box.right <= 32));
    CHECK(mix.share == doctest::Approx(1 - mix.box.area() / 1024.0));
    CHECK(mix.keep == 0);
    const int h = mix.box.bottom - mix.box.top, w = mix.box.right - mix.box.left;
    (h == w ? whole : clipped) += 1;
    area += mix.box.area() / 1024.0;
  }
  CHECK(whole > 500);
  CHECK(clipped > 500);
  // share uniform, side s = sqrt(1 - share), of which 1 - s / 4 is inside on average, per axis:
  // E[s^2 (1 - s / 4)^2] = 1/2 - 1/5 + 1/48
  CHECK(area / kDraws == doctest::Approx(0.3208).epsilon(0.05));
}

TEST_CASE("with both, batches take one or the other as often") {
  Random random(4, Purpose::mix);
  int cut = 0;
  for (int i = 0; i < 2000; ++i) {
    cut += draw_mix({.mixup = 1, .cutmix = 1}, 32, 32, random).box != Box{0, 32, 0, 32};
  }
  CHECK(std::abs(cut - 1000) < 120);
  CHECK(draw_mix({}, 32, 32, random).share == 1);
}

TEST_CASE("parameters out of range are rejected") {
  Random random(5, Purpose::mix);
  CHECK_THROWS_WITH_AS(draw_mix({.mixup = -1}, 8, 8, random),
                       "mix: mixup: expected 0, or 0.001 to 1000, got -1", ValueError);
  CHECK_THROWS_WITH_AS(draw_mix({.cutmix = std::nan("")}, 8, 8, random),
                       "mix: cutmix: expected 0, or 0.001 to 1000, got nan", ValueError);
}
