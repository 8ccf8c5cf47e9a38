#include "data/image_ops.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/check.h"

namespace resgrad::data {
namespace {

using Byte = std::uint8_t;

struct Planes {
  Byte* values;
  int height, width;

  std::ptrdiff_t pixels() const { return std::ptrdiff_t{height} * width; }
  Byte* channel(int c) const { return values + c * pixels(); }
  template <class F>
  void for_each_channel(F&& f) const {
    for (int c = 0; c < 3; ++c) f(channel(c));
  }
};

// Rows of a matrix that takes a pixel of the result, by its distance from the centre, to the place
// that it comes from.
using Affine = std::array<double, 6>;

// Of a linear map around a point, given by its distance from the centre.
Affine around(double a, double b, double c, double d, double x, double y) {
  return {a, b, x - a * x - b * y, c, d, y - c * x - d * y};
}

// a * x + b * y + c, rounded after a * x, after the sum with the exact b * y, and at the end, as
// the matrix product of the grid is in torchvision: places halfway between two pixels are frequent.
float place(const std::array<float, 3>& row, float x, float y) {
  const float ax = row[0] * x;
  return static_cast<float>(double{row[1]} * double{y} + double{ax}) + row[2];
}

// The pixel of an axis of so many that is nearest to a place in [-1, 1], or one outside.
int nearest(float at, int size) {
  const float pixel = ((at + 1) * static_cast<float>(size) - 1) / 2;
  return static_cast<int>(std::nearbyint(std::clamp(pixel, -2.0f, static_cast<float>(size) + 1)));
}

void transform(const Planes& image, const Affine& matrix) {
  const int h = image.height, w = image.width;
  std::array<float, 3> to_x{}, to_y{};
  for (std::size_t i = 0; i < 3; ++i) {
    to_x[i] = static_cast<float>(matrix[i]) / (0.5f * static_cast<float>(w));
    to_y[i] = static_cast<float>(matrix[3 + i]) / (0.5f * static_cast<float>(h));
  }
  const std::vector<Byte> source(image.values, image.values + 3 * image.pixels());
  for (int row = 0; row < h; ++row) {
    const float y = static_cast<float>(row) - 0.5f * static_cast<float>(h) + 0.5f;
    for (int column = 0; column < w; ++column) {
      const float x = static_cast<float>(column) - 0.5f * static_cast<float>(w) + 0.5f;
      const int from_x = nearest(place(to_x, x, y), w), from_y = nearest(place(to_y, x, y), h);
      const bool inside = from_x >= 0 && from_x < w && from_y >= 0 && from_y < h;
      const std::ptrdiff_t to = std::ptrdiff_t{row} * w + column,
                           from = std::ptrdiff_t{from_y} * w + from_x;
      for (int c = 0; c < 3; ++c) {
        image.channel(c)[to] =
            inside ? source[static_cast<std::size_t>(c * image.pixels() + from)] : Byte{0};
      }
    }
  }
}

void rotate(const Planes& image, double degrees) {
  const double angle = degrees * (std::numbers::pi / 180);
  transform(image,
            around(std::cos(angle), -std::sin(angle), std::sin(angle), std::cos(angle), 0, 0));
}

// Parts of two values, of which there are 1 together, cut to a byte.
class Blend {
 public:
  explicit Blend(double magnitude)
      : own_(static_cast<float>(1 + magnitude)), other_(static_cast<float>(1 - (1 + magnitude))) {
    require<ValueError>(1 + magnitude >= 0,
                        "image operation: magnitude: expected at least -1, got {}", magnitude);
  }
  Byte operator()(Byte own, float other) const {
    const float sum = own_ * static_cast<float>(own) + other_ * other;
    return static_cast<Byte>(std::clamp(sum, 0.0f, 255.0f));
  }

 private:
  float own_, other_;
};

Byte grey(const Planes& image, std::ptrdiff_t i) {
  const auto value = [&](int c) { return static_cast<float>(image.channel(c)[i]); };
  return static_cast<Byte>(0.2989f * value(0) + 0.587f * value(1) + 0.114f * value(2));
}

void adjust_brightness(const Planes& image, const Blend& blend) {
  for (std::ptrdiff_t i = 0; i < 3 * image.pixels(); ++i) {
    image.values[i] = blend(image.values[i], 0);
  }
}

void adjust_color(const Planes& image, const Blend& blend) {
  for (std::ptrdiff_t i = 0; i < image.pixels(); ++i) {
    const float other = grey(image, i);
    image.for_each_channel([&](Byte* channel) { channel[i] = blend(channel[i], other); });
  }
}

void adjust_contrast(const Planes& image, const Blend& blend) {
  std::int64_t sum = 0;
  for (std::ptrdiff_t i = 0; i < image.pixels(); ++i) sum += grey(image, i);
  const float mean = static_cast<float>(sum) / static_cast<float>(image.pixels());
  for (std::ptrdiff_t i = 0; i < 3 * image.pixels(); ++i) {
    image.values[i] = blend(image.values[i], mean);
  }
}

// The kernel has 5 in the middle and 1 around it, over 13; a multiple of 1/13 is never halfway.
void adjust_sharpness(const Planes& image, const Blend& blend) {
  const int h = image.height, w = image.width;
  if (h <= 2 || w <= 2) return;
  image.for_each_channel([&](Byte* channel) {
    const std::vector<Byte> source(channel, channel + image.pixels());
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        const auto at = static_cast<std::size_t>(y * w + x);
        int blurred = source[at];
        if (y > 0 && y < h - 1 && x > 0 && x < w - 1) {
          int sum = 4 * source[at];
          for (int dy = -1; dy <= 1; ++dy) {
            for (int dx = -1; dx <= 1; ++dx) {
              sum += source[static_cast<std::size_t>((y + dy) * w + x + dx)];
            }
          }
          blurred = (2 * sum + 13) / 26;
        }
        channel[at] = blend(source[at], static_cast<float>(blurred));
      }
    }
  });
}

void posterize(const Planes& image, double bits) {
  require<ValueError>(bits >= 0 && bits < 9,
                      "image operation: Posterize: expected 0 to 8 bits, got {}", bits);
  const auto mask = static_cast<Byte>(0xff00 >> static_cast<int>(bits));
  for (std::ptrdiff_t i = 0; i < 3 * image.pixels(); ++i) image.values[i] &= mask;
}

void solarize(const Planes& image, double threshold) {
  for (std::ptrdiff_t i = 0; i < 3 * image.pixels(); ++i) {
    const Byte value = image.values[i];
    if (value >= threshold) image.values[i] = static_cast<Byte>(255 - value);
  }
}

void auto_contrast(const Planes& image) {
  image.for_each_channel([&](Byte* channel) {
    const auto [low, high] = std::minmax_element(channel, channel + image.pixels());
    if (*low == *high) return;
    const float least = *low, scale = 255.0f / static_cast<float>(*high - *low);
    std::transform(channel, channel + image.pixels(), channel, [&](Byte value) {
      return static_cast<Byte>(
          std::clamp((static_cast<float>(value) - least) * scale, 0.0f, 255.0f));
    });
  });
}

void equalize(const Planes& image) {
  image.for_each_channel([&](Byte* channel) {
    std::array<std::int64_t, 256> count{};
    for (std::ptrdiff_t i = 0; i < image.pixels(); ++i) ++count[channel[i]];
    const std::int64_t of_last =
        *std::find_if(count.rbegin(), count.rend(), [](auto n) { return n > 0; });
    const std::int64_t step = (image.pixels() - of_last) / 255;
    if (step == 0) return;
    std::array<Byte, 256> to{};
    std::int64_t below = 0;
    for (std::size_t level = 0; level < 256; ++level) {
      to[level] = level == 0
                      ? Byte{0}
                      : static_cast<Byte>(std::min<std::int64_t>(255, (below + step / 2) / step));
      below += count[level];
    }
    for (std::ptrdiff_t i = 0; i < image.pixels(); ++i) channel[i] = to[channel[i]];
  });
}

}  // namespace

void apply(ImageOp op, double m, std::uint8_t* planes, int height, int width) {
  const Planes image{planes, height, width};
  const double corner_x = -0.5 * width, corner_y = -0.5 * height;
  switch (op) {
    case ImageOp::identity:
      return;
    case ImageOp::shear_x:
      return transform(image, around(1, m, 0, 1, corner_x, corner_y));
    case ImageOp::shear_y:
      return transform(image, around(1, 0, m, 1, corner_x, corner_y));
    case ImageOp::translate_x:
      return transform(image, {1, 0, -std::trunc(m), 0, 1, 0});
    case ImageOp::translate_y:
      return transform(image, {1, 0, 0, 0, 1, -std::trunc(m)});
    case ImageOp::rotate:
      return rotate(image, m);
    case ImageOp::brightness:
      return adjust_brightness(image, Blend(m));
    case ImageOp::color:
      return adjust_color(image, Blend(m));
    case ImageOp::contrast:
      return adjust_contrast(image, Blend(m));
    case ImageOp::sharpness:
      return adjust_sharpness(image, Blend(m));
    case ImageOp::posterize:
      return posterize(image, m);
    case ImageOp::solarize:
      return solarize(image, m);
    case ImageOp::auto_contrast:
      return auto_contrast(image);
    case ImageOp::equalize:
      return equalize(image);
  }
}

}  // namespace resgrad::data
