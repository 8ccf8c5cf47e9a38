#include "data/normalise.h"

#include <cmath>

#include "core/check.h"

namespace resgrad::data {

Normalisation normalisation(std::string_view name) {
  if (name == "cifar10") return {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
  if (name == "cifar100") return {{0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}};
  if (name == "synthetic") return {{0.4988, 0.5004, 0.5006}, {0.2483, 0.2479, 0.2475}};
  throw ValueError(
      fmt::format("normalisation: expected one of cifar10, cifar100, synthetic, got {}", name));
}

Normalisation measure_normalisation(const Dataset& dataset) {
  require<ValueError>(dataset.size() > 0,
                      "measure_normalisation: dataset: expected at least one image, got none");
  const std::int64_t plane = std::int64_t{dataset.height} * dataset.width;
  Normalisation result;
  for (std::size_t c = 0; c < 3; ++c) {
    std::uint64_t sum = 0, squares = 0;  // exact: at most 2^16 per pixel
    for (std::int64_t i = 0; i < dataset.size(); ++i) {
      const std::uint8_t* pixels = dataset.image(i) + static_cast<std::int64_t>(c) * plane;
      for (std::int64_t p = 0; p < plane; ++p) {
        sum += pixels[p];
        squares += std::uint64_t{pixels[p]} * pixels[p];
      }
    }
    const double n = static_cast<double>(dataset.size() * plane);
    const double mean = static_cast<double>(sum) / n;
    result.mean[c] = mean / 255;
    result.std[c] = std::sqrt(static_cast<double>(squares) / n - mean * mean) / 255;
  }
  return result;
}

}  // namespace resgrad::data
