#include "data/resize.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace resgrad::data {
namespace {

constexpr int kBits = 22;  // of the fraction of a weight: 32 less 8 of the pixel and 2 to spare

// The pixels of one line of the source that make a pixel of the result.
struct Taps {
  int first;
  std::vector<int> weights;
};

std::vector<Taps> make_taps(int from, int to) {
  const double scale = static_cast<double>(from) / to, support = std::max(scale, 1.0);
  std::vector<Taps> all;
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int last = std::min(static_cast<int>(centre + support + 0.5), from);
    std::vector<double> weights;
    double sum = 0;
    for (int x = first; x < last; ++x) {
      weights.push_back(std::max(0.0, 1 - std::abs((x - centre + 0.5) / support)));
      sum += weights.back();
    }
    Taps taps{.first = first, .weights = {}};
    for (const double w : weights) {
      taps.weights.push_back(static_cast<int>(0.5 + w / sum * (1 << kBits)));
    }
    all.push_back(std::move(taps));
  }
  return all;
}

// Resamples one axis of [outer, from, inner] to [outer, taps, inner].
std::vector<std::uint8_t> resample(const std::vector<std::uint8_t>& source, std::size_t outer,
                                   int from, std::size_t inner, const std::vector<Taps>& taps) {
  std::vector<std::uint8_t> result(outer * taps.size() * inner);
  std::uint8_t* out = result.data();
  for (std::size_t o = 0; o < outer; ++o) {
    const std::uint8_t* line = source.data() + o * static_cast<std::size_t>(from) * inner;
    for (const Taps& t : taps) {
      const std::uint8_t* at = line + static_cast<std::size_t>(t.first) * inner;
      for (std::size_t i = 0; i < inner; ++i) {
        int sum = 1 << (kBits - 1);
        for (std::size_t k = 0; k < t.weights.size(); ++k) sum += at[k * inner + i] * t.weights[k];
        *out++ = static_cast<std::uint8_t>(std::clamp(sum >> kBits, 0, 255));
      }
    }
  }
  return result;
}

}  // namespace

Image resize(const Image& image, int height, int width) {
  require<ValueError>(height >= 1 && width >= 1,
                      "resize: size: expected at least 1 x 1, got {} x {}", width, height);
  const std::int64_t most = std::int64_t{std::max(height, image.height)} * width;
  require<ValueError>(
      most <= kMaxPixels,
      "resize: size: expected at most {} pixels on the way from {} x {} to {} x {}, "
      "got {}",
      kMaxPixels, image.width, image.height, width, height, most);
  Image result = image;
  if (width != image.width) {
    result.pixels = resample(result.pixels, static_cast<std::size_t>(image.height), image.width, 3,
                             make_taps(image.width, width));
    result.width = width;
  }
  if (height != image.height) {
    result.pixels = resample(result.pixels, 1, image.height, static_cast<std::size_t>(width) * 3,
                             make_taps(image.height, height));
    result.height = height;
  }
  return result;
}

Image resize_shorter_side(const Image& image, int size) {
  const bool wide = image.width > image.height;
  const std::int64_t shorter = wide ? image.height : image.width;
  const std::int64_t longer = wide ? image.width : image.height;
  const std::int64_t other = std::min(size * longer / shorter, kMaxPixels + 1);  // resize() refuses
  return wide ? resize(image, size, static_cast<int>(other))
              : resize(image, static_cast<int>(other), size);
}

Image centre_crop(const Image& image, int size) {
  require<ValueError>(size >= 1 && size <= std::min(image.height, image.width),
                      "centre_crop: size: expected 1 to {}, the shorter side, got {}",
                      std::min(image.height, image.width), size);
  const auto top = static_cast<int>(std::nearbyint((image.height - size) / 2.0));
  const auto left = static_cast<int>(std::nearbyint((image.width - size) / 2.0));
  Image result{.height = size, .width = size, .pixels = {}};
  for (int y = top; y < top + size; ++y) {
    const auto row = image.pixels.begin() + (std::ptrdiff_t{y} * image.width + left) * 3;
    result.pixels.insert(result.pixels.end(), row, row + std::ptrdiff_t{size} * 3);
  }
  return result;
}

}  // namespace resgrad::data
