#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/check.h"

namespace resgrad::data {
namespace {

// The place in [0, size) that a place outside is mirrored to, again and again if it is far away.
int reflected(int at, int size) {
  const int period = std::max(1, 2 * (size - 1));
  const int within = (at % period + period) % period;
  return std::min(within, period - within);
}

Box draw_erasing(int height, int width, Random& random) {
  constexpr double kSmallest = 0.02, kLargest = 0.4, kAspect = 0.3;
  constexpr int kAttempts = 10;
  for (int i = 0; i < kAttempts; ++i) {
    const double area = random.uniform(kSmallest, kLargest) * height * width;
    const double aspect = std::exp(random.uniform(std::log(kAspect), -std::log(kAspect)));
    const int h = static_cast<int>(std::lround(std::sqrt(area * aspect)));
    const int w = static_cast<int>(std::lround(std::sqrt(area / aspect)));
    if (h > height || w > width) continue;
    const auto top = static_cast<int>(random.below(static_cast<std::uint32_t>(height - h + 1)));
    const auto left = static_cast<int>(random.below(static_cast<std::uint32_t>(width - w + 1)));
    return {.top = top, .bottom = top + h, .left = left, .right = left + w};
  }
  return {};
}

}  // namespace

void check_options(const AugmentOptions& options) {
  constexpr int kMost = 65536;  // keeps the arithmetic on shifts far from overflow
  require<ValueError>(options.pad >= 0 && options.pad <= kMost,
                      "augment: pad: expected 0 to {} pixels, got {}", kMost, options.pad);
  require<ValueError>(options.cutout >= 0 && options.cutout <= kMost,
                      "augment: cutout: expected 0 to {} pixels, got {}", kMost, options.cutout);
  require<ValueError>(options.random_erasing >= 0 && options.random_erasing <= 1,
                      "augment: random_erasing: expected 0 to 1, got {}", options.random_erasing);
}

Augmentation draw_augmentation(const AugmentOptions& options, int height, int width,
                               std::uint64_t seed, std::uint32_t epoch, std::uint64_t sample) {
  check_options(options);
  Random random(seed, Purpose::augment, epoch, sample);
  const auto below = [&random](int n) {
    return static_cast<int>(random.below(static_cast<std::uint32_t>(n)));
  };
  Augmentation a{.pad_mode = options.pad_mode};
  if (options.pad > 0) {
    a.dy = below(2 * options.pad + 1) - options.pad;
    a.dx = below(2 * options.pad + 1) - options.pad;
  }
  if (options.flip != Flip::none) a.flip = below(2) == 1;
  if (options.flip == Flip::alternating && epoch > 0) {
    const Augmentation first =
        draw_augmentation({.pad = options.pad}, height, width, seed, 0, sample);
    a.flip = first.flip != (epoch % 2 == 1);
  }
  if (options.cutout > 0) {
    const int y = below(height), x = below(width);
    a.cutout = box_around(y, x, options.cutout, options.cutout, height, width);
  }
  if (options.random_erasing > 0 && random.uniform() < options.random_erasing) {
    a.erased = draw_erasing(height, width, random);
  }
  a.steps = draw_steps(options.policy, height, width, random);
  return a;
}

PixelTable::PixelTable(const Normalisation& n) {
  for (std::size_t c = 0; c < 3; ++c) {
    require<ValueError>(n.std[c] > 0, "normalisation: std of channel {}: expected above 0, got {}",
                        c, n.std[c]);
    for (std::size_t level = 0; level < 256; ++level) {
      values_[c][level] =
          static_cast<float>((static_cast<double>(level) / 255 - n.mean[c]) / n.std[c]);
    }
  }
}

namespace {

// The image cropped and mirrored: value(c, level) of pixel (y, x) in channel c goes to
// out[c * kChannel + (y * width + x) * kPixel], where a kChannel of 0 stands for whole planes.
template <std::ptrdiff_t kChannel, std::ptrdiff_t kPixel, class T, class Value>
void write_cropped(T* out, const std::uint8_t* image, int height, int width, const Augmentation& a,
                   Value&& value) {
  const std::ptrdiff_t plane = std::ptrdiff_t{height} * width;
  // The columns of the output whose source lies inside the image: none after a wide shift.
  const int shift = a.flip ? a.dx : -a.dx;
  const int first = std::clamp(shift, 0, width), last = std::clamp(width + shift, 0, width);
  for (int y = 0; y < height; ++y) {
    const bool reflect = a.pad_mode == PadMode::reflect;
    const int source_y = reflect ? reflected(y + a.dy, height) : y + a.dy;
    T* row = out + std::ptrdiff_t{y} * width * kPixel;
    const bool inside = source_y >= 0 && source_y < height;
    for (std::size_t c = 0; c < 3; ++c) {
      const T black = value(c, 0);
      const auto channel = static_cast<std::ptrdiff_t>(c);
      T* values = row + channel * (kChannel == 0 ? plane : kChannel);
      if (!inside) {
        for (int x = 0; x < width; ++x) values[kPixel * x] = black;
        continue;
      }
      const std::uint8_t* line = image + channel * plane + std::ptrdiff_t{source_y} * width;
      const auto outside = [&](int x) {
        const int column = a.flip ? width - 1 - x : x;
        values[kPixel * x] = reflect ? value(c, line[reflected(column + a.dx, width)]) : black;
      };
      for (int x = 0; x < first; ++x) outside(x);
      for (int x = last; x < width; ++x) outside(x);
      if (a.flip) {
        const std::uint8_t* source = line + (width - 1 + a.dx);
        for (int x = first; x < last; ++x) values[kPixel * x] = value(c, source[-x]);
      } else {
        for (int x = first; x < last; ++x) values[kPixel * x] = value(c, line[x + a.dx]);
      }
    }
  }
}

}  // namespace

void write_image(float* out, const Dataset& dataset, std::int64_t index, const Augmentation& a,
                 const PixelTable& table) {
  const int height = dataset.height, width = dataset.width;
  const std::uint8_t* image = dataset.image(index);
  if (a.steps == ImageSteps{}) {
    write_cropped<1, 3>(out, image, height, width, a, table);
  } else {
    std::vector<std::uint8_t> planes(static_cast<std::size_t>(dataset.image_bytes()));
    write_cropped<0, 1>(planes.data(), image, height, width, a,
                        [](std::size_t, std::uint8_t level) { return level; });
    for (const ImageStep& step : a.steps) {
      apply(step.op, step.magnitude, planes.data(), height, width);
    }
    write_cropped<1, 3>(out, planes.data(), height, width, {}, table);
  }
  for (const Box& box : {a.cutout, a.erased}) {
    for (int y = box.top; y < box.bottom; ++y) {
      float* row = out + std::ptrdiff_t{y} * width * 3;
      std::fill(row + 3 * box.left, row + 3 * box.right, 0.0f);
    }
  }
}

}  // namespace resgrad::data
